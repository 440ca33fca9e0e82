"""The warning while somebody types: what it says, to whom, and that nothing of the draft stays anywhere."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from compliance import metrics
from compliance.access import limits
from compliance.models import AuditEvent, Code
from compliance.phi import engine
from tests import cast
from tests.chat.test_not_masked import in_redis, raises
from tests.chat.test_worker import together

DRAFT = "Mr. Delacroix, MRN 88231904, seen on 3/14/2024. Heparin for Mr. Delacroix?"
CLINICAL = "BNP 1840 on Lasix 40 mg BID, what next?"


def look(client: Client, text: str) -> Any:
    return client.post(reverse("ask-identifiers"), {"question": text})


def test_it_names_the_kinds_and_not_a_word_of_the_text(alice: Client) -> None:
    answer = look(alice, DRAFT)
    assert answer.status_code == 200
    assert answer.json() == {"count": 4, "labels": ["Name", "Record number", "Date"]}
    assert answer["Cache-Control"] == "no-store"


def test_clinical_wording_is_no_reason_for_a_warning(alice: Client) -> None:
    assert look(alice, CLINICAL).json() == {"count": 0, "labels": []}


@pytest.mark.parametrize("text", ["", "   ", "?!", "x" * 4001, "x" * 900_000, "Mr. Delacroix\x00"])
def test_what_could_not_be_sent_is_not_looked_at(alice: Client, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_scans", [raises])
    assert look(alice, text).status_code == 422


def test_nothing_of_a_draft_is_kept_counted_or_on_record(alice: Client, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    events, counted = AuditEvent.objects.count(), metrics.read()
    look(alice, DRAFT)
    assert AuditEvent.objects.count() == events
    assert metrics.read() == counted
    assert "Delacroix" not in caplog.text
    assert "PHI_DETECTED" not in caplog.text
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text ~ %s', ["Delacroix|88231904"])
            assert cursor.fetchone() == (0,), f"the draft is readable in {table}"
    assert not in_redis(b"Delacroix")


def test_a_masker_that_fails_says_so_to_the_script_and_nothing_more(
    alice: Client, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(engine, "_scans", [raises])
    events = AuditEvent.objects.count()
    answer = look(alice, DRAFT)
    assert answer.status_code == 503
    assert b"Delacroix" not in answer.content
    assert "Delacroix" not in caplog.text
    assert AuditEvent.objects.count() == events, "one event for every pause in typing"


def test_only_who_may_ask_and_only_by_post(db: None, alice: Client) -> None:
    assert alice.get(reverse("ask-identifiers"), {"question": DRAFT}).status_code == 405
    assert Client().post(reverse("ask-identifiers"), {"question": DRAFT}).status_code == 302
    for person in (cast.nadia(), cast.mallory(), cast.pat()):
        answer = look(cast.sign_in(Client(), person), DRAFT)
        assert answer.status_code == 403
        assert b"Record number" not in answer.content


def test_a_form_of_another_session_is_refused(db: None) -> None:
    client = cast.sign_in(Client(enforce_csrf_checks=True), cast.alice())
    assert look(client, DRAFT).status_code == 403


def test_drafts_have_a_limit_of_their_own(alice: Client, bob: Client, settings: Any) -> None:
    settings.LIMITS = settings.LIMITS | {"draft": (2, 60)}
    assert [look(alice, CLINICAL).status_code for _ in range(4)] == [200, 200, 429, 429]
    assert look(alice, CLINICAL)["Retry-After"]
    assert look(bob, CLINICAL).status_code == 200
    assert alice.post(reverse("ask"), {"question": CLINICAL}).status_code == 302, "asking is counted apart"
    event = AuditEvent.objects.get(code=Code.EXCESS_RATE_LIMIT_EXCEEDED)
    assert event.detail["limit"] == "draft"


@pytest.mark.django_db(transaction=True)
def test_drafts_of_many_people_at_once_stay_apart() -> None:
    texts = [DRAFT, CLINICAL] * 2  # as many as are looked at together: more would be turned away, and ask again
    people = [cast.sign_in(Client(), person) for person in (cast.alice(), cast.bob()) * 2]
    answers = together(lambda n: (n % 2, look(people[n], texts[n]).json()["count"]), 4)
    assert sorted(str(a) for a in answers) == sorted(str((n % 2, [4, 0][n % 2])) for n in range(4))


def test_drafts_cannot_take_the_masker_from_questions() -> None:
    """One look a second and a half: no more than somebody who writes can ask for."""
    assert limits.rule(limits.Limit.DRAFT) == limits.Rule(40, 60)
