"""The pages of the audit trail: who may open them, what they show, and that reading them is on record."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import date, timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError

from compliance import audit, audit_lines, vault
from compliance.audit import export, seal, search
from compliance.audit.lane import AuditUnavailable
from compliance.models import ActorKind, AuditEvent, AuditVerification, Clearance, Code, Crude, Outcome, User
from tests import cast

pytestmark = pytest.mark.django_db
PATIENT = "P-0123456789abcdef"
AUDIT = "/compliance/audit/"


@pytest.fixture
def audra(client: Client) -> Client:
    return cast.sign_in(client, cast.audra())


def record(**fields: Any) -> AuditEvent:
    defaults = {"code": Code.SENSITIVE_READ, "action": Crude.READ, "object_type": "chat.Conversation"}
    return AuditEvent.objects.get(pk=audit.record(**defaults | fields))


def shown(client: Client, address: str, **query: str) -> str:
    response = client.get(address, query)
    assert response.status_code == 200, address
    return unescape(response.content.decode())


def reads() -> list[AuditEvent]:
    """What was put on record about readers of the trail, oldest first."""
    return list(AuditEvent.objects.filter(object_type="compliance.AuditEvent").order_by("timestamp"))


def addresses() -> list[str]:
    event, person = record(actor=cast.bob()), cast.bob()
    return [
        AUDIT,
        f"{AUDIT}?outcome=denied",
        reverse("audit-event", args=[event.pk]),
        reverse("audit-day", args=[person.pk, timezone.localdate()]),
        reverse("audit-retention"),
    ]


READERS = [cast.pat, cast.sam, cast.carol, cast.audra, cast.ada]
STRANGERS = [cast.alice, cast.nadia, cast.dora, cast.otto, cast.mallory]


@pytest.mark.parametrize("person", READERS)
def test_pages_open_for_who_may_read_the_trail(client: Client, person: Callable[[], User]) -> None:
    pages = addresses()
    cast.sign_in(client, person())
    for address in pages:
        assert client.get(address).status_code == 200, f"{address} is closed to {person.__name__}"
    assert AUDIT in shown(client, "/library/")


@pytest.mark.parametrize("person", STRANGERS)
def test_pages_are_closed_to_everyone_else(client: Client, person: Callable[[], User]) -> None:
    pages = addresses()
    cast.sign_in(client, person())
    for address in pages:
        assert client.get(address).status_code == 403, f"{address} is open to {person.__name__}"
    for name in ("audit-patient", "audit-verify", "audit-export", "audit-retention-ask"):
        assert client.post(reverse(name)).status_code == 403, f"{name} is open to {person.__name__}"
    assert reads() == []
    assert AUDIT not in client.get("/settings/").content.decode()


def test_nobody_reads_without_signing_in(client: Client) -> None:
    for address in addresses():
        assert client.get(address)["Location"].startswith("/signin/")


@pytest.mark.parametrize("person", [cast.pat, cast.sam, cast.carol, cast.audra])
def test_who_may_export_gets_a_file(client: Client, person: Callable[[], User]) -> None:
    event = record(object_id=str(uuid.uuid4()))
    cast.sign_in(client, person())
    assert "Export what this search finds" in shown(client, AUDIT, object_id=event.object_id)
    response = client.post(reverse("audit-export"), {"format": "jsonl", "object_id": event.object_id})
    body = b"".join(response).decode()
    assert response["Content-Disposition"].startswith('attachment; filename="audit-')
    assert str(event.pk) in body
    assert len(body.splitlines()) == 1


def test_an_administrator_reads_and_does_not_export(client: Client) -> None:
    cast.sign_in(client, cast.ada())
    assert "Export what this search finds" not in shown(client, AUDIT)
    assert client.post(reverse("audit-export"), {"format": "csv"}).status_code == 403


def test_every_page_is_on_record_exactly_once(audra: Client) -> None:
    conversation = uuid.uuid4()
    event = record(actor=cast.bob(), object_id=str(conversation))
    today = timezone.localdate()
    for address, object_id, detail in (
        (AUDIT, "", {"filter": {}}),
        (f"{AUDIT}?person=bob@clinchat.example&outcome=&since=2026-01-01", "",
         {"filter": {"person": str(cast.bob().pk), "since": "2026-01-01"}}),
        (reverse("audit-event", args=[event.pk]), str(event.pk), {}),
        (reverse("audit-day", args=[cast.bob().pk, today]), "",
         {"filter": {"person": str(cast.bob().pk), "since": str(today), "until": str(today)}}),
        (reverse("audit-retention"), "", {"page": "retention"}),
    ):  # fmt: skip
        before = len(reads())
        shown(audra, address)
        added = reads()[before:]
        assert [(e.code, e.action, e.object_id, e.detail) for e in added] == [
            ("sensitive_read", "R", object_id, detail)
        ], address
        assert added[0].actor_id == cast.audra().pk


def test_what_cannot_be_put_on_record_is_not_shown(audra: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = addresses()

    def broken(**_: Any) -> uuid.UUID:
        raise AuditUnavailable

    monkeypatch.setattr(audit, "record", broken)
    audra.raise_request_exception = False
    for address in pages:
        response = audra.get(address)
        assert response.status_code == 503, address
        assert b"Bob Brandt" not in response.content


def test_a_result_says_who_did_what_to_what(audra: Client) -> None:
    turn = str(uuid.uuid4())
    event = record(actor=cast.alice(), object_type="chat.Turn", object_id=turn, patient=PATIENT)
    record(code=Code.AUTHZ_FAIL, action=Crude.EXECUTE, outcome=Outcome.DENIED, detail={"action": "admin.use"})
    text = shown(audra, AUDIT, patient=PATIENT)
    row = text.split("<tbody>")[1].split("</tbody>")[0]
    for part in ("Alice Adeyemi", "Clinician", "Read question", turn[:8], PATIENT, "Done", "Not sealed yet"):
        assert part in row
    assert reverse("audit-event", args=[event.pk]) in row
    assert "Tried to use the admin pages" not in row
    assert "1 event<" in text


def test_the_search_keeps_what_was_typed_and_says_what_is_wrong(audra: Client) -> None:
    record()
    text = shown(audra, AUDIT, since="2026-13-01", person="bob@clinchat.example", outcome="denied", correlation="x y")
    assert "The date “2026-13-01” does not exist. Write it as " in text
    assert 'value="bob@clinchat.example"' in text
    assert '<option value="denied" selected>' in text
    assert 'id="f-since-err"' in text
    assert "<details" in text.split("More conditions")[0][-200:]
    assert 'id="results"' not in text
    assert reads() == [], "nothing was read"


@pytest.mark.parametrize(
    "query",
    [
        {"colour": "red"},
        {"after": "nonsense"},
        {"before": "20261121T141718.847216.x"},
        {"code": "<script>alert(1)</script>"},
        {"person": "\x00"},
        {"page": "2"},
        {"until": "9999-12-31"},
    ],
)
def test_a_mangled_address_gets_a_page_that_says_so(audra: Client, query: dict[str, str]) -> None:
    response = audra.get(AUDIT, query)
    assert response.status_code == 200
    text = response.content.decode().split("<main")[1]
    assert "note crit" in text or 'class="err"' in text
    assert "<script>" not in text


def test_pages_of_results_follow_each_other_while_events_arrive(audra: Client) -> None:
    made = [record(patient=PATIENT) for _ in range(120)]
    first = audra.get(AUDIT, {"patient": PATIENT})
    found = [line.event.pk for line in first.context["results"].lines]
    older = first.context["results"].older_url
    while older:
        record(patient=PATIENT)
        page = audra.get(older.partition("#")[0])
        found += [line.event.pk for line in page.context["results"].lines]
        older = page.context["results"].older_url
    assert found == [event.pk for event in made[::-1]]
    back = audra.get(page.context["results"].newer_url.partition("#")[0]).context["results"]
    assert [line.event.pk for line in back.lines] == found[50:100]


def test_a_search_that_takes_too_long_asks_for_less(audra: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: Any) -> None:
        raise search.TooBroad

    monkeypatch.setattr(search, "page", slow)
    assert "takes too long" in shown(audra, AUDIT, kind="person")


def test_a_record_number_becomes_a_pseudonym_and_nothing_else(audra: Client, caplog: pytest.LogCaptureFixture) -> None:
    number = "00482913"
    response = audra.post(reverse("audit-patient"), {"record_number": f" {number} "})
    assert response["Location"] == f"{AUDIT}?patient={vault.pseudonym(number)}#results"
    event = reads()[-1]
    assert event.patient == vault.pseudonym(number)
    assert number not in bytes(event.canonical).decode()
    assert number not in caplog.text
    assert audra.get(reverse("audit-patient")).status_code == 405


@pytest.mark.parametrize("number", ["", "  ", "9" * 65, "1\x002"])
def test_what_is_no_record_number_is_asked_for_again(audra: Client, number: str) -> None:
    response = audra.post(reverse("audit-patient"), {"record_number": number})
    assert "Enter the record number" in response.content.decode()
    assert reads() == []


def test_an_event_is_shown_with_its_changes_and_without_protected_values(audra: Client) -> None:
    with audit.bind(kind=ActorKind.PERSON, actor=cast.ada(), correlation_id=uuid.uuid4()):
        clearance = Clearance.objects.filter(user=cast.bob()).get()
        clearance.revoked_at = timezone.now()
        clearance.reason = "Left on Friday"
        clearance.save(update_fields=["revoked_at", "reason"])
        other = record(object_type="chat.Document")
    event = AuditEvent.objects.filter(object_id=str(clearance.pk)).latest()
    text = shown(audra, reverse("audit-event", args=[event.pk]))
    assert "<h1>Clearance revoked</h1>" in text
    assert "Ada Admin, Administrator at the time" in text
    assert "Protected value" in text
    assert "hmac:" in text
    assert "Left on Friday" not in text
    assert reverse("audit-event", args=[other.pk]) in text.split("Other events of the same request")[1]


@pytest.mark.django_db(transaction=True)
def test_a_sealed_event_carries_its_proof(audra: Client) -> None:
    event = record()
    text = shown(audra, reverse("audit-event", args=[event.pk]))
    assert "Not sealed yet" in text
    assert seal.seal_all() > 0
    text = shown(audra, reverse("audit-event", args=[event.pk]))
    assert "Holds" in text
    assert bytes(event.digest).hex() in text
    assert text.count('<li class="ok">') == 4
    assert ": <strong>no</strong>" not in text


@pytest.mark.django_db(transaction=True)
def test_an_altered_event_does_not_hold(audra: Client) -> None:
    event = record(actor=cast.alice())
    assert seal.seal_all() > 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM compliance_auditevent WHERE id = %s", [event.pk])
        (month,) = cursor.fetchone()
        for table in ("compliance_auditevent", month):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER clinchat_no_change")
        cursor.execute("UPDATE compliance_auditevent SET actor_name = 'Bob' WHERE id = %s", [event.pk])
        for table in ("compliance_auditevent", month):
            cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER clinchat_no_change")
    text = shown(audra, reverse("audit-event", args=[event.pk]))
    assert "Does not hold" in text
    assert "What this page shows is what was recorded: <strong>no</strong>" in text


def test_an_event_that_does_not_exist(audra: Client) -> None:
    assert audra.get(reverse("audit-event", args=[uuid.uuid4()])).status_code == 404
    assert audra.get(f"{AUDIT}not-an-id/").status_code == 404


def test_a_day_has_hours_totals_and_neighbours(audra: Client) -> None:
    bob, today = cast.bob(), timezone.localdate()
    for _ in range(3):
        record(actor=bob)
    denied = record(actor=bob, code=Code.AUTHZ_FAIL, action=Crude.EXECUTE, outcome=Outcome.DENIED)
    record(actor=cast.alice())
    response = audra.get(reverse("audit-day", args=[bob.pk, today]))
    day, text = response.context["day"], response.content.decode()
    assert day.totals == [("Reads", 3), ("Denied", 1)]
    assert day.events == sum(len(hour.lines) for hour in day.hours) == 4
    assert [line.at for hour in day.hours for line in hour.lines] == sorted(
        line.at for hour in day.hours for line in hour.lines
    )
    assert reverse("audit-event", args=[denied.pk]) in text
    assert reverse("audit-day", args=[bob.pk, today - timedelta(days=1)]) in text
    assert reverse("audit-day", args=[bob.pk, today + timedelta(days=1)]) not in text


def test_a_day_without_events_says_so(audra: Client) -> None:
    text = shown(audra, reverse("audit-day", args=[cast.bob().pk, date(2026, 1, 1)]))
    assert "did nothing in ClinChat on this day" in text
    assert reverse("audit-day", args=[cast.bob().pk, date(2026, 1, 2)]) in text


def test_a_busy_day_is_cut_and_says_where_the_rest_is(audra: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_lines, "DAY_SHOWN", 2)
    for _ in range(4):
        record(actor=cast.bob())
    text = shown(audra, reverse("audit-day", args=[cast.bob().pk, timezone.localdate()]))
    assert "the first 2 of 4 events" in text


@pytest.mark.parametrize("day", ["2026-02-30", "1999-01-01", "2026-1-1", "today", "9999-12-31"])
def test_a_day_that_does_not_exist(audra: Client, day: str) -> None:
    assert audra.get(f"{AUDIT}people/{cast.bob().pk}/{day}/").status_code == 404
    assert audra.get(f"{AUDIT}people/{uuid.uuid4()}/2026-01-01/").status_code == 404


def test_an_export_over_the_limit_names_the_number_and_the_command(
    audra: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE_LIMIT", 2)
    for _ in range(3):
        record(patient=PATIENT)
    page = audra.post(reverse("audit-export"), {"format": "csv", "patient": PATIENT}, follow=True)
    text = unescape(page.content.decode())
    assert "3 events match, and this page exports 2 at most." in text
    assert "manage.py audit_export" in text
    assert page.redirect_chain[0][0] == f"{AUDIT}?patient={PATIENT}#results"


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"format": "pdf"}, "Nothing was exported"),
        ({"format": "csv", "since": "never"}, "Nothing was exported"),
        ({"format": "csv", "patient": PATIENT}, "No event"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_words(audra: Client, sent: dict[str, str], words: str) -> None:
    page = audra.post(reverse("audit-export"), sent, follow=True)
    assert words in page.content.decode()


def test_the_state_of_the_chain_is_on_every_page(audra: Client) -> None:
    pages = addresses()
    for address in pages:
        assert "Not verified" in shown(audra, address), address
    seal.seal_all()
    AuditVerification.objects.create(scope="full", ok=True, events=9, to_seal=1, seconds=0.1)
    for address in pages:
        assert "Intact" in shown(audra, address), address
    problem = {"kind": "digest", "event": str(uuid.uuid4()), "detail": "Event 7 was changed after it was sealed."}
    AuditVerification.objects.create(scope="full", ok=False, events=9, to_seal=1, seconds=0.1, problems=[problem])
    AuditVerification.objects.create(scope="incremental", ok=True, events=1, to_seal=1, seconds=0.1)
    for address in pages:
        assert "Broken, 1 problem" in shown(audra, address), f"{address}: a later part that holds mends nothing"
    assert "Event 7 was changed after it was sealed." in shown(audra, AUDIT)
    AuditVerification.objects.create(scope="full", ok=True, events=9, to_seal=1, seconds=0.1)
    assert "Intact" in shown(audra, AUDIT)


def test_an_old_verification_says_nothing_about_today(audra: Client) -> None:
    long_ago = timezone.now() - timedelta(days=3)
    AuditVerification.objects.create(scope="full", ok=True, events=9, to_seal=1, seconds=0.1, ran_at=long_ago)
    assert "Not verified" in shown(audra, AUDIT)


def test_verify_again_is_queued(audra: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    queued = []
    monkeypatch.setattr("compliance.tasks.verify_all.delay", lambda: queued.append(1))
    page = audra.post(reverse("audit-verify"), follow=True)
    assert queued == [1]
    assert "Every event is being verified." in page.content.decode()
    assert AuditEvent.objects.filter(object_type="compliance.AuditVerification").count() == 1


def test_verify_again_says_when_the_queue_is_gone(audra: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise OperationalError

    monkeypatch.setattr("compliance.tasks.verify_all.delay", gone)
    assert "could not be started" in audra.post(reverse("audit-verify"), follow=True).content.decode()
