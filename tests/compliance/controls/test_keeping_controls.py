"""The checks of what is kept and of what is handed out."""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from chat import services
from clinchat.lib import clock
from compliance import audit
from compliance.audit import export, handed, retention, writer
from compliance.audit.search import EventFilter
from compliance.continuity.deletion import holds
from compliance.continuity.deletion import retention as rules
from compliance.controls import attestations, readable
from compliance.models import (
    Attestation,
    AuditEvent,
    AuditPurge,
    Code,
    ControlResult,
    Official,
    Purge,
    Seal,
    VaultEntry,
)
from tests import cast
from tests.breaking import undone
from tests.compliance.sealed_trail import sql
from tests.proving import look, proven

pytestmark = pytest.mark.django_db
State = ControlResult.State


# ── How long ──────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def five_years(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(retention, "YEARS", 5)
        yield


def test_five_years(monkeypatch: pytest.MonkeyPatch) -> None:
    found = proven("retention.policy", five_years(monkeypatch))
    assert set(found.failing) == {
        "trail is kept 5 years",
        "a purge of what is nine years old can be asked for",
    }


def test_fault_a_database_that_purges_what_is_young() -> None:
    ((made,),) = sql("SELECT pg_get_functiondef('compliance_audit_purge'::regproc)")
    with undone(made.replace("interval '10 years'", "interval '5 years'")):
        assert "the database purges what is nine years old" in look("retention.policy").failing


@pytest.mark.parametrize("table", ["training_certificate", "compliance_controlresult"])
def test_fault_records_that_can_be_deleted(table: str) -> None:
    name = "training_no_delete" if table.startswith("training") else "controls_no_change"
    with undone(f"DROP TRIGGER {name} ON {table}"):
        assert look("retention.policy").failing == [f"table {table} can be deleted from"]


def test_fault_a_hold_that_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "approve", lambda **_: None)
    assert look("retention.policy").failing == ["a legal hold does not stop a purge"]


def test_fault_a_hold_on_a_conversation_that_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holds, "conversations_on_hold", lambda _: set())
    assert look("retention.policy").failing == ["a hold on a conversation does not keep its values"]


def test_fault_a_kind_of_record_without_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(rules._rules, "training")
    assert look("retention.policy").failing == ["no rule keeps training"]


def test_fault_a_rule_that_keeps_too_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rules._rules, "training", replace(rules.named("training"), years=5))
    assert look("retention.policy").failing == ["training is kept 5 years"]


def test_fault_a_turn_that_went_too_far() -> None:
    made = Purge.objects.create(rule="conversations", before=clock.now() - timedelta(days=3), removed=1)
    assert look("retention.policy").failing == [f"turn {made.pk} of conversations was early"]


def test_fault_an_early_purge() -> None:
    today = clock.now().date()
    AuditPurge.objects.create(
        before=today.replace(year=today.year - 3, day=1),
        reason="x",
        status="done",
        requested_by=cast.carol(),
        decided_by=cast.pat(),
        decided_at=clock.now(),
    )
    (failing,) = look("retention.policy").failing
    assert failing.endswith("was early")


def test_fault_a_month_that_is_gone() -> None:
    Seal.objects.create(
        number=1,
        first=1,
        size=1,
        root=b"",
        previous=b"",
        month=date(2020, 2, 1),
        sealed_at=clock.now(),
        statement=b"",
        signature=b"",
        horizon="0",
        system="",
    )
    assert look("retention.policy").failing == ["no events of 2020-02, and no purge of them"]


def test_fault_a_document_that_was_deleted() -> None:
    from chat.models import Collection, Document

    collection = Collection.objects.create(slug="c", name="C")
    Document.objects.create(collection=collection, external_id="1").delete()
    assert look("retention.policy").failing == ["1 documents were deleted"]


def test_under_a_legal_hold_nothing_is_forgotten(settings: Any) -> None:
    turn = services.ask(
        author=cast.alice(), text="Mrs. Ottoline Quenby, MRN 48213907, on warfarin?", submission=uuid.uuid4()
    )
    type(turn.conversation).objects.update(updated_at=clock.now() - timedelta(days=400))
    settings.LEGAL_HOLD = True
    assert rules.purge(dry_run=False, only=["values"])[0].removed == 0
    settings.LEGAL_HOLD = False
    assert rules.purge(dry_run=False, only=["values"])[0].removed > 0


# ── Still readable ────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def key_lost(settings: Any) -> Iterator[None]:
    """The file holds another key; the one that wrapped what is stored is gone."""
    path = Path(settings.SEALING_KEY_PATH)
    before, times = path.read_bytes(), path.stat()
    path.write_bytes(b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n")
    try:
        yield
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 1))


@pytest.fixture
def value() -> None:
    VaultEntry.objects.create(scope=uuid.uuid4(), token="[NAME-1]", label="NAME", value="x", blind_index=b"0")


def test_an_old_key_is_lost(value: None, settings: Any) -> None:
    found = proven("retention.oldest_readable", key_lost(settings))
    assert "compliance.VaultEntry.value" in found.failing


def test_fault_a_document_that_was_exchanged(value: None) -> None:
    sam = cast.sam()
    Official.objects.create(office="security_official", person=sam, named_by=cast.carol())
    attestations.attest(control_id="ADM-01", owner=sam, statement="Done.", document=b"%PDF", document_name="a.pdf")
    assert look("retention.oldest_readable").state == State.PASS
    with undone("DROP TRIGGER attestation_only_ended ON compliance_attestation"):
        Attestation.objects.update(artifact_sha256="0" * 64)
        assert look("retention.oldest_readable").failing == ["document of an attestation"]


def test_fault_an_event_of_which_a_byte_is_another() -> None:
    cast.alice()
    with undone(
        "ALTER TABLE compliance_auditevent DISABLE TRIGGER clinchat_no_change",
        "UPDATE compliance_auditevent SET canonical = canonical || ' '::bytea",
    ):
        assert look("retention.oldest_readable").failing == ["event"]


def test_fault_a_record_of_another_app(value: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"certificate", "document"} <= set(readable.readers())
    monkeypatch.setitem(readable._readers, "certificate", lambda: False)
    assert look("retention.oldest_readable").failing == ["certificate"]


# ── Handed out ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports of the last ten minutes may still be going on: the check is made a quarter of an hour later."""
    later = clock.now() + timedelta(minutes=15)
    monkeypatch.setattr(clock, "now", lambda: later)


def exported() -> None:
    cast.alice()
    with audit.bind(actor=cast.audra(), purpose="HCOMPL", source="192.0.2.1"):
        export.begin(EventFilter(), format=export.Format.CSV).write(BytesIO())


@contextmanager
def forgotten() -> Iterator[None]:
    path = Path(tempfile.gettempdir()) / "audit-20260101T000000Z.csv"
    path.write_text("x")
    os.utime(path, (time.time() - 90_000,) * 2)
    try:
        yield
    finally:
        path.unlink()


def test_a_file_of_an_export_that_was_left(long_ago: None) -> None:
    exported()
    found = proven("export.ledger", forgotten())
    assert found.failing == ["file audit-20260101T000000Z.csv"]


def test_fault_an_export_without_purpose(long_ago: None) -> None:
    with audit.bind(actor=cast.audra(), purpose=""):
        export.begin(EventFilter(), format=export.Format.JSONL).write(BytesIO())
    (failing,) = look("export.ledger").failing
    assert failing.endswith(" purpose")


def test_fault_an_export_of_which_nothing_more_is_known(long_ago: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handed, "out", lambda *_, **__: None)
    exported()
    (failing,) = look("export.ledger").failing
    assert failing.endswith(" digest")


def test_fault_nobody_asked(long_ago: None, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = writer._event
    nobody = {"actor_id": None, "actor_name": ""}
    monkeypatch.setattr(writer, "_event", lambda *given: kept(*given) | nobody)
    exported()
    assert any(one.endswith(" requester") for one in look("export.ledger").failing)


@pytest.mark.parametrize("form", [export.Format.CSV, export.Format.JSONL, export.Format.FHIR])
def test_the_digest_is_that_of_the_file(form: export.Format) -> None:
    import hashlib

    cast.alice()
    with audit.bind(actor=cast.audra(), purpose="HCOMPL"):
        made = export.file_for(EventFilter(), format=form)
    content = made.file.read()
    told = AuditEvent.objects.get(object_type=handed.OBJECT_TYPE).detail
    assert told == {"sha256": hashlib.sha256(content).hexdigest(), "count": made.events}


def test_what_is_made_while_it_is_sent_is_on_record_at_its_end() -> None:
    which = uuid.uuid4()
    sent = handed.sending([b"a", b"b"], export=which, count=2)
    assert next(sent) == b"a"
    assert not AuditEvent.objects.filter(object_id=str(which)).exists()
    assert list(sent) == [b"b"]
    assert AuditEvent.objects.get(object_id=str(which)).detail["count"] == 2


def test_the_command_says_what_for(tmp_path: Path) -> None:
    cast.alice()
    call_command("audit_export", "--format", "csv", "--output", str(tmp_path / "all.csv"), stderr=StringIO())
    assert AuditEvent.objects.get(detail__export="csv").purpose == "HCOMPL"


def test_an_export_its_reader_broke_off_is_in_the_ledger(long_ago: None) -> None:
    with audit.bind(actor=cast.audra(), purpose="HCOMPL"):
        which = audit.record(code=Code.SENSITIVE_READ, action=audit.Crude.READ, detail={"export": "csv"})
        sent = handed.sending([b"a", b"b"], export=which, count=2)
        next(sent)
    sent.close()
    told = AuditEvent.objects.get(object_id=str(which))
    assert (told.actor_id, told.detail["broken_off"]) == (cast.audra().pk, True)
    assert look("export.ledger").state == State.PASS
