"""The checks of stored documents, of what models are told, and of what an answer does on its page."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest import mock

import pytest
from django.conf import settings as live
from django.db import connection, transaction
from django.utils.safestring import mark_safe

from chat import controls, controls_inert, presentation
from chat.models import Conversation, DocumentVersion, Turn
from chat.pipeline import retrieve
from compliance import metrics, phi, phi_checks
from compliance.logs.lines import Lines
from compliance.phi import selftest
from tests.breaking import instead
from tests.chat import shelf
from tests.proving import State, look, proven

pytestmark = pytest.mark.django_db


@contextmanager
def by_hand(*statements: str) -> Iterator[None]:
    """Changed in the database past every trigger, and taken back at the end."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement)
        cursor.execute("SET LOCAL session_replication_role = origin")
        yield
        transaction.set_rollback(True)


# ── Documents ────────────────────────────────────────────────────────────────────────────────────────────────────

TEXT = "Warfarin is given in the evening. Check the INR after three days.\n\nGive vitamin K for a bleed."


@pytest.fixture
def shelved() -> DocumentVersion:
    shelf.load(shelf.collection(), shelf.source(TEXT), shelf.source("Metformin is held for contrast.", 2))
    return shelf.current()


def test_a_text_that_was_edited_is_seen(shelved: DocumentVersion) -> None:
    edit = "UPDATE chat_documentversion SET text = replace(text, 'three days', 'nine days')"
    broken = proven("integrity.docs_hash", by_hand(edit))
    assert broken.failing == [f"document:{shelved.pk}"]
    assert "2 of 2 documents" in broken.observed
    assert "Warfarin" not in f"{broken.observed} {broken.evidence}"


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE chat_chunk SET text = replace(text, 'three', 'nine')", "passages"),
        ("UPDATE chat_chunk SET section = 'Dosing'", "passages"),
        ("DELETE FROM chat_chunk", "passages"),
        ("UPDATE chat_listing SET until_id = since_id, until_at = since_at", "release"),
        ("UPDATE chat_release SET manifest_sha256 = repeat('0', 64)", "release"),
        (
            "INSERT INTO chat_drugtable (id, version, sha256, packed, report, added_at, in_use) "
            "VALUES (gen_random_uuid(), '1', repeat('0', 64), '\\x00', '{}', now(), false)",
            "drug-table",
        ),
    ],
)
def test_fault_what_is_searched_is_not_what_was_stored(shelved: DocumentVersion, statement: str, what: str) -> None:
    with by_hand(statement):
        broken = look("integrity.docs_hash")
    assert (broken.state, {name.partition(":")[0] for name in broken.failing}) == (State.FAIL, {what})


def test_where_there_is_no_time_it_says_how_many(shelved: DocumentVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("BUDGET", -1.0), ("NEWEST", 1), ("BATCH", 1)):
        monkeypatch.setattr(controls, name, value)
    found = look("integrity.docs_hash")
    assert (found.state, found.evidence["looked_at"], found.evidence["versions"]) == (State.PASS, 1, 2)


# ── What goes out ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def quiet(shelved: DocumentVersion) -> Iterator[None]:
    """As in a process that serves: a library, and nothing that earlier tests counted or broke."""
    before = list(selftest._last)
    with mock.patch.object(metrics, "last_day", return_value={metrics.FAILURES: {"": 0}}):
        yield
    selftest._last[:] = before


def own_handlers(*handlers: logging.Handler) -> AbstractContextManager[object]:
    """Without those that pytest adds."""
    return mock.patch.object(logging.root, "handlers", list(handlers) or [Lines()])


def unmasked(text: str, *_: Any, **__: Any) -> phi.Masked:
    return phi.Masked(text, (), (), (), ())


def test_identifiers_that_reach_the_embedder_are_seen(quiet: None) -> None:
    with own_handlers():
        broken = proven("phi.egress_canary", instead(phi, "mask", unmasked))
    assert "phi.canary" in broken.failing
    assert any(name.startswith("models.") for name in broken.failing)
    assert "uenby" not in f"{broken.observed} {broken.evidence} {broken.failing}"


def test_fault_a_text_the_release_ships_is_not_masked(quiet: None) -> None:
    with own_handlers(), instead(phi, "self_test", lambda: selftest.run(unmasked)):
        found = look("phi.egress_canary")
    assert found.state == State.FAIL
    assert any(name.startswith("self_test.") for name in found.failing)


def test_fault_a_log_handler_does_not_mask(quiet: None) -> None:
    with own_handlers(logging.StreamHandler()):
        assert look("phi.egress_canary").failing == ["phi.logs"]


def test_fault_the_embedder_gets_the_vault(quiet: None, monkeypatch: pytest.MonkeyPatch) -> None:
    told = retrieve.embed
    monkeypatch.setattr(retrieve, "embed", lambda *texts: told(*texts, phi_checks.canary_question()))
    with own_handlers():
        assert "models.SSN" in look("phi.egress_canary").failing


# ── What an answer does ──────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def marked_safe() -> Iterator[None]:
    view = presentation.view

    def trusting(turn: Turn, **given: Any) -> Any:
        shown = view(turn, **given)
        for block in shown.blocks:
            block["text"] = mark_safe(block["text"])
        return shown

    with mock.patch.object(presentation, "view", trusting):
        yield


def test_output_that_is_not_escaped_is_seen() -> None:
    broken = proven("llm.output_inert", marked_safe())
    assert {"script", "img.onerror", "a.href", "iframe", "csp"} - set(broken.failing) == {"csp"}
    assert not Conversation.objects.exists()


@pytest.mark.parametrize(
    ("name", "value", "failing"),
    [
        ("script-src", ["'self'", "'unsafe-inline'"], "csp.script-src"),
        ("img-src", ["*"], "csp.img-src"),
        ("require-trusted-types-for", None, "csp.require-trusted-types-for"),
        ("default-src", ["'self'"], "csp.default-src"),
    ],
)
def test_fault_the_policy_of_the_page_is_loose(settings: Any, name: str, value: Any, failing: str) -> None:
    directives = {key: one for key, one in live.CONTENT_SECURITY_POLICY["DIRECTIVES"].items() if key != name}
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": directives | ({name: value} if value else {})}
    assert failing in look("llm.output_inert").failing


def test_a_page_that_cannot_be_had_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(presentation, "view", broken)
    assert look("llm.output_inert").state == State.ERROR


@pytest.mark.parametrize(
    ("address", "own"),
    [("/ask/", True), ("#a", True), ("", True), ("//evil.invalid", False), ("/\\evil.invalid", False),
     ("java\tscript:x", False), ("https://evil.invalid", False), ("data:text/html,x", False)],
)  # fmt: skip
def test_what_stays_on_this_site(address: str, own: bool) -> None:
    assert controls_inert._own(address) is own
