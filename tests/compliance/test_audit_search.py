"""Searching the trail: what each filter finds, what a wrong one is told, and pages that stay put."""

from __future__ import annotations

import uuid
from datetime import UTC, date, timedelta
from typing import Any

import pytest
from django.core.management import get_commands
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clinchat.lib import clock
from compliance import audit, audit_vocabulary, audit_words
from compliance.access import Action
from compliance.audit import search
from compliance.audit.search import BadFilter, EventFilter
from compliance.models import ActorKind, AuditEvent, Code, Crude, Outcome
from tests import cast

pytestmark = pytest.mark.django_db
PATIENT = "P-0123456789abcdef"


def record(**fields: Any) -> AuditEvent:
    defaults = {"code": Code.SENSITIVE_READ, "action": Crude.READ, "object_type": "chat.Conversation"}
    return AuditEvent.objects.get(pk=audit.record(**defaults | fields))


def found(**data: str) -> list[uuid.UUID]:
    """In the order of the search, without what the making of people has left."""
    return [event.pk for event in search.page(search.parse(data))[0] if event.lane == "access"]


def told(**data: str) -> tuple[str, str]:
    with pytest.raises(BadFilter) as bad:
        search.parse(data)
    return bad.value.field, bad.value.message


def test_each_filter_finds_its_events_and_no_others() -> None:
    alice, bob = cast.alice(), cast.bob()
    correlation, conversation = uuid.uuid4(), str(uuid.uuid4())
    with audit.bind(correlation_id=correlation, kind=ActorKind.COMMAND):
        first = record(actor=alice, object_id=conversation, patient=PATIENT)
    second = record(
        actor=bob, code=Code.AUTHZ_FAIL, action=Crude.EXECUTE, outcome=Outcome.DENIED, object_type="chat.Turn"
    )
    assert found(person=alice.email.upper()) == found(person=str(alice.pk)) == [first.pk]
    assert found(person=bob.email) == [second.pk]
    assert found(patient=PATIENT) == found(patient="p-0123456789ABCDEF") == [first.pk]
    assert found(object_type="chat.Turn") == [second.pk]
    assert found(object_id=conversation.upper()) == [first.pk]
    assert found(code="authz_fail") == [second.pk]
    assert found(outcome="denied") == [second.pk]
    assert set(found(kind="person")) == {first.pk, second.pk}
    assert found(kind="schedule") == []
    assert found(correlation=str(correlation)) == found(correlation=f"e-{correlation.hex[:8]}") == [first.pk]
    assert found() == [second.pk, first.pk]
    assert found(person=alice.email, outcome="denied") == []


def test_days_are_whole_days_of_the_installation(settings: Any) -> None:
    settings.TIME_ZONE = "America/Los_Angeles"
    with timezone.override("America/Los_Angeles"):
        today, day = timezone.localdate(), timedelta(days=1)
        event = record()
        assert found(since=str(today), until=str(today)) == [event.pk]
        assert found(until=str(today - day)) == found(since=str(today + day)) == []
        start, end = search.bounds(search.parse({"since": "2026-03-08", "until": "2026-03-08"}))
    assert start is not None
    assert end is not None
    assert end.astimezone(UTC) - start.astimezone(UTC) == timedelta(hours=23)  # the clock goes forward that night


NEXT_YEAR = clock.now().year + 1


@pytest.mark.parametrize(
    ("data", "field", "words"),
    [
        ({"since": "2026-13-01"}, "since", "The date “2026-13-01” does not exist. Write it as "),
        ({"until": "2026-02-30"}, "until", "The date “2026-02-30” does not exist."),
        ({"since": "0000-01-01"}, "since", "does not exist"),
        ({"since": "yesterday"}, "since", "“yesterday” is not a date. Write it as "),
        ({"since": "11/21/2026"}, "since", "is not a date"),
        ({"since": "٢٠٢٦-01-01"}, "since", "is not a date"),
        ({"since": "2026-01-02", "until": "2026-01-01"}, "until", "2026-01-01, is before the first, 2026-01-02"),
        ({"since": "0001-01-01"}, "since", "more than 20 years ago"),
        ({"since": "2026-01-01", "until": "9999-12-31"}, "until", "more than 20 years ahead"),
        ({"since": "2010-01-01", "until": "2044-01-01"}, "until", "2010-01-01 to 2044-01-01 is more than 20 years"),
        ({"since": f"{NEXT_YEAR}-01-02"}, "since", "is in the future"),
        ({"code": "authn_login"}, "code", "There is no event code “authn_login”. Use one of authn_login_success"),
        ({"outcome": "ok"}, "outcome", "There is no outcome “ok”. Use one of success, denied, failure."),
        ({"kind": "robot"}, "kind", "There is no kind of actor “robot”."),
        ({"person": "nobody@hospital.test"}, "person", "Nobody here has the e-mail address “nobody@hospital.test”."),
        ({"person": "Alice"}, "person", "“Alice” is no e-mail address and no id."),
        ({"person": "a@b\x00c"}, "person", "is no e-mail address and no id"),
        ({"person": str(uuid.UUID(int=5))}, "person", "Nobody has the id"),
        ({"patient": "00482913"}, "patient", "That is not a pseudonym"),
        ({"patient": "P-0123"}, "patient", "That is not a pseudonym"),
        ({"object_type": "chat.Trun"}, "object_type", "There is no kind of object “chat.Trun”."),
        ({"object_id": "12"}, "object_id", "A number alone does not say which object."),
        ({"object_id": "Maria"}, "object_id", "“Maria” is not an id."),
        ({"correlation": "E-XYZ"}, "correlation", "“E-XYZ” is no reference."),
        ({"correlation": "E-00000000"}, "correlation", "No event has the reference E-00000000."),
        ({"colour": "red"}, "colour", "There is no filter “colour”. The filters are person, patient, object_type"),
    ],
)  # fmt: skip
def test_a_wrong_filter_is_named_with_its_reason(data: dict[str, str], field: str, words: str) -> None:
    assert told(**data)[0] == field
    assert words in told(**data)[1]


def test_a_record_number_in_the_wrong_field_is_not_repeated() -> None:
    assert "00482913" not in told(patient="00482913")[1]


def test_a_long_value_is_repeated_in_part_only() -> None:
    assert len(told(code="x" * 5000)[1]) < 700


def test_one_reference_of_two_requests_is_said_to_be_so() -> None:
    for last in (1, 2):
        with audit.bind(correlation_id=uuid.UUID(f"1a2b3c4d-0000-4000-8000-{last:012}")):
            record()
    assert "stands for several requests" in told(correlation="E-1A2B3C4D")[1]


def test_a_command_is_an_object_too() -> None:
    assert search.parse({"object_type": "command.migrate"}).object_type == "command.migrate"
    assert "migrate" in get_commands()
    assert told(object_type="command.nothing")[0] == "object_type"


def test_a_filter_reads_back_as_itself() -> None:
    asked = EventFilter(
        person=cast.alice().pk, patient=PATIENT, outcome="denied", since=date(2026, 1, 1), until=date(2026, 11, 1)
    )
    assert search.parse(asked.given()) == asked
    assert search.parse({"person": "  ", "code": ""}) == EventFilter()
    assert search.words(EventFilter()) == "all events"
    days = EventFilter(outcome="denied", since=date(2026, 11, 1), until=date(2026, 11, 30))
    assert search.words(days) == "events from 2026-11-01 to 2026-11-30 with outcome denied"


def test_pages_hold_every_event_once_while_new_ones_arrive() -> None:
    made = [record(patient=PATIENT).pk for _ in range(23)][::-1]
    asked = EventFilter(patient=PATIENT)
    seen, cursor = search.page(asked, size=5)
    while cursor:
        record(patient=PATIENT)
        more, cursor = search.page(asked, search.parse_cursor(str(cursor)), size=5)
        seen += more
    assert [event.pk for event in seen] == made


def test_the_way_back_leads_over_the_same_events() -> None:
    made = [record(patient=PATIENT) for _ in range(12)][::-1]
    asked = EventFilter(patient=PATIENT)
    back, newest = search.newer(asked, search.cursor(made[10]), size=5)
    assert [event.pk for event in back] == [event.pk for event in made[5:10]]
    assert newest == search.cursor(made[5])
    assert search.newer(asked, search.cursor(made[3]), size=5)[1] is None


def test_events_of_one_moment_are_told_apart_by_their_ids() -> None:
    """Two events may have the same time to the microsecond; a place between them is a place all the same."""
    event = record(patient=PATIENT)
    asked, first, last = EventFilter(patient=PATIENT), uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)
    at = event.timestamp
    assert search.page(asked, search.Cursor(at, last))[0] == search.newer(asked, search.Cursor(at, first))[0] == [event]
    assert search.page(asked, search.Cursor(at, event.pk))[0] == search.newer(asked, search.cursor(event))[0] == []


@pytest.mark.parametrize("text", ["", "x", "20261121T000000.000000.", "20261321T000000.000000.x", "\x00", "9" * 500])
def test_a_damaged_place_is_refused(text: str) -> None:
    with pytest.raises(BadFilter):
        search.parse_cursor(text)


def test_counting_stops() -> None:
    for _ in range(5):
        record(patient=PATIENT)
    asked = EventFilter(patient=PATIENT)
    assert search.count(asked) == (5, False)
    assert search.count(asked, most=3) == (3, True)


def test_only_the_months_of_the_range_are_read() -> None:
    asked = EventFilter(since=timezone.localdate(), until=timezone.localdate())
    plan = search.events(asked).explain()
    assert plan.count("compliance_auditevent_2") <= 2, plan


def test_a_page_reads_no_more_than_it_shows() -> None:
    record()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        search.page(EventFilter())
    sql = " ".join(query["sql"] for query in queries.captured_queries)
    assert "count(" not in sql.lower()
    assert "LIMIT 51" in sql


def test_a_search_that_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PATIENCE_MS", 20)
    with pytest.raises(search.TooBroad), search.patience(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(2)")
    assert search.page(EventFilter())


def test_everything_has_words() -> None:
    assert set(audit_vocabulary.CODES) == set(Code)
    assert set(audit_vocabulary.KINDS) == set(ActorKind)
    assert set(audit_vocabulary.OUTCOMES) == set(Outcome)
    assert set(audit_vocabulary.VERBS) == set(audit_vocabulary.TRIED) == set(Crude)
    assert set(audit_vocabulary.ACTIONS) == {str(action) for action in Action}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"object_type": "chat.Conversation", "action": "R"}, "Read conversation"),
        ({"code": "authn_login_fail", "action": "E", "outcome": "failure", "detail": {"step": "app"}},
         "Sign-in failed (wrong code)"),
        ({"code": "authn_login_success", "action": "E", "detail": {"factor": "recovery"}},
         "Signed in with a recovery code"),
        ({"code": "authz_fail", "action": "E", "outcome": "denied", "detail": {"action": "admin.use"}},
         "Tried to use the admin pages"),
        ({"code": "authz_fail", "action": "R", "outcome": "denied", "object_type": "chat.Turn"},
         "Tried to read question"),
        ({"object_type": "compliance.Clearance", "action": "U", "changes": {"revoked_at": [None, "2026-11-21"]}},
         "Clearance revoked"),
        ({"object_type": "compliance.Clearance", "action": "U", "actor_kind": "unknown-db",
          "changes": {"revoked_at": [None, "2026-11-21"]}}, "Changed outside ClinChat: clearance revoked"),
        ({"object_type": "compliance.RoleAssignment", "action": "D", "changes": {"role": ["auditor", None]}},
         "Role taken away (Auditor)"),
        ({"object_type": "compliance.User", "action": "U", "changes": {"is_active": [True, False]}}, "Account closed"),
        ({"object_type": "chat.Turn", "action": "U", "changes": {"status": ["running", "answered"]}},
         "Question answered"),
        ({"object_type": "compliance.AuditEvent", "action": "R", "detail": {"export": "csv"}},
         "Exported audit events (csv)"),
        ({"object_type": "gone.Model", "action": "R"}, "Read gone.Model"),
        ({"code": "sys_startup", "action": "E"}, "ClinChat started"),
    ],
)  # fmt: skip
def test_events_read_as_sentences(fields: dict[str, Any], words: str) -> None:
    event = AuditEvent(**{"code": "sensitive_read", "outcome": "success", "actor_kind": "person"} | fields)
    assert audit_words.what(event) == words
