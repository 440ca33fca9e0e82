"""What masking must pass before a process trusts it, and that a fault in it is noticed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from compliance import phi
from compliance.phi import engine, families, selftest
from compliance.phi.selftest import CASES
from compliance.phi.types import Candidate, Label, Masked, Strength, Terms


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """A self-test that fails on purpose must not make this process refuse everything."""
    before = list(selftest._last)
    yield
    selftest._last[:] = before
    phi.use_terms(Terms())


def test_it_passes_within_half_a_second() -> None:
    phi.warm()
    began = time.process_time()
    found = phi.self_test()
    assert time.process_time() - began < 0.5, "each process waits for it before it takes a question"
    assert (found.ok, found.failed) == (True, ())
    assert found.cases == len(CASES) >= 55
    assert selftest.last() == found


def test_every_class_is_in_it_and_so_is_what_must_stay() -> None:
    marked = [mark for text in CASES.values() for mark in selftest._read(text)[1]]
    assert {label for _, _, label in marked} - {None} == set(Label)
    assert sum("{" not in text for text in CASES.values()) >= 15


def test_a_mark_is_read_where_it_stands() -> None:
    text, marks = selftest._read("{:Mr.} {NAME:Lopez} takes Lasix.")
    assert (text, marks) == ("Mr. Lopez takes Lasix.", [(0, 3, None), (4, 9, Label.NAME)])


@pytest.mark.parametrize("name", CASES)
def test_what_is_masked_is_called_what_it_is(name: str) -> None:
    text, marks = selftest._read(CASES[name])
    found = phi.find(text)
    for start, end, label in marks:
        over = {str(one.label) for one in found if one.start < end and start < one.end}
        assert label is None or str(label) in over, f"{text[start:end]} is {over}"


def nothing(text: str) -> Masked:
    return Masked(text, (), (), (), ())


def too_much(text: str) -> Masked:
    return Masked("[NAME-1]", (phi.Span(0, len(text), Label.NAME),), ("[NAME-1]",), (0,), ())


def raising(text: str) -> Masked:
    raise RuntimeError(text)


@pytest.mark.parametrize(
    ("mask", "least"),
    [(nothing, 35), (too_much, len(CASES)), (raising, len(CASES))],
    ids=["misses", "takes all", "raises"],
)
def test_a_masker_that_misses_or_takes_all_fails(mask: Callable[[str], Masked], least: int) -> None:
    found = selftest.run(mask)
    assert not found.ok
    assert len(found.failed) >= least


def test_a_masked_text_that_does_not_come_back_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "restore", lambda text, *_: text)
    assert "name" in phi.self_test().failed


@pytest.mark.parametrize("family", sorted(families.DETECTORS))
def test_a_family_of_detectors_that_finds_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch, family: str) -> None:
    monkeypatch.setattr(engine, "_scans", [])
    monkeypatch.setitem(families.DETECTORS, family, lambda _: iter(()))
    assert not phi.self_test().ok


def test_after_a_failure_every_text_is_refused_until_one_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_scans", [])
    everything = lambda text: iter([Candidate(0, len(text), Label.NAME, Strength.CERTAIN)])  # noqa: E731
    with monkeypatch.context() as broken:
        broken.setitem(families.DETECTORS, "names", everything)
        assert not phi.self_test().ok
        for refused in (phi.mask, phi.find):
            with pytest.raises(phi.PhiUnavailable):
                refused("When should metformin be held?")
        with pytest.raises(phi.PhiUnavailable):
            phi.warm()
    engine._scans.clear()
    assert phi.self_test().ok
    assert phi.mask("Maria Gonzalez on warfarin").tokens == ("[NAME-1]",)


def test_the_hospitals_own_words_have_no_say_in_it() -> None:
    """A term that keeps "Gonzalez", or masks "Parkinson", is the hospital's right and no fault of the masker."""
    phi.use_terms(Terms("1", mask=((Label.FACILITY, "Parkinson"),), keep=("Maria Gonzalez",)))
    assert phi.self_test().ok


def test_it_says_when(monkeypatch: pytest.MonkeyPatch) -> None:
    before = time.time()
    found: Any = selftest.run(nothing)
    assert before - 1 <= found.at.timestamp() <= time.time()
    assert found.at.tzinfo is not None
