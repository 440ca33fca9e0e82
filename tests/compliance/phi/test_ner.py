"""The named-entity model: asked only for what is in doubt, only where switched on, and never believed alone."""

from __future__ import annotations

import contextvars
from collections.abc import Iterator

import pytest

from compliance import phi
from compliance.phi.detectors import ner

SEEN = "Barack Obama visited Paris."


@pytest.fixture(autouse=True)
def _model_as_before() -> Iterator[None]:
    before = phi.ner_active()
    yield
    phi.configure(ner=before, deadline_seconds=10)


def _entities(*, on: bool) -> tuple[ner.Found, ...]:
    def ask() -> tuple[ner.Found, ...]:
        ner.use(on=on)
        return ner.entities(SEEN, [(0, len(SEEN))])

    return contextvars.Context().run(ask)


def test_entities_are_found_where_the_model_is_on() -> None:
    assert ner.Found(0, 12, "PERSON") in _entities(on=True)


def test_nothing_is_found_where_it_is_off_or_not_chosen() -> None:
    assert _entities(on=False) == ()
    assert contextvars.Context().run(ner.entities, SEEN, [(0, 12)]) == ()


def test_the_model_reads_the_parts_it_is_given_and_offsets_are_those_of_the_text() -> None:
    def ask() -> tuple[ner.Found, ...]:
        ner.use(on=True)
        return ner.entities(f"K 6.1.\n{SEEN}", [(0, 6), (7, 7 + len(SEEN))])

    assert ner.Found(7, 19, "PERSON") in contextvars.Context().run(ask)


@pytest.mark.parametrize("on", [True, False])
def test_names_are_found_and_drugs_kept_with_and_without_the_model(on: bool) -> None:
    phi.configure(ner=on, deadline_seconds=10)
    assert phi.mask("Patient Rosalind Achebe on Lasix 40, GDM and BNP 1840").text == (
        "Patient [NAME-1] on Lasix 40, GDM and BNP 1840"
    )
