"""Events are kept ten years; whole months go on the word of two people, and the rest still verifies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from clinchat.lib import clock
from compliance import audit
from compliance.audit import guards, partitions, retention, seal, verify
from compliance.models import AuditEvent, AuditPurge, Code, Crude, SealedEvent
from tests import cast, trail

pytestmark = pytest.mark.django_db(transaction=True)

OLD = date(2012, 3, 1)
BEFORE = date(2012, 4, 1)


@pytest.fixture(autouse=True)
def _sink(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.AUDIT_CHECKPOINT_FILES = [str(tmp_path / "checkpoints.jsonl")]
    monkeypatch.setattr(guards, "weaknesses", lambda: iter(()))


@pytest.fixture
def old_event() -> Iterator[None]:
    """One event of 2012, sealed. Only a superuser who switches triggers off can write such a time."""
    month = "compliance_auditevent_201203"
    with connection.cursor() as cursor:
        cursor.execute("SELECT compliance_audit_add_month(%s)", [OLD])
    trail.allow_truncate()
    with trail.unprotected("compliance_auditevent", "clinchat_digest") as cursor:
        cursor.execute(
            "INSERT INTO compliance_auditevent "
            '("timestamp", lane, code, action, outcome, actor_kind, canonical, digest) '
            "VALUES ('2012-03-05 12:00+00', 'access', 'sensitive_read', 'R', 'success', 'person', '', '')"
        )
    with trail.unprotected(month) as cursor:
        cursor.execute(
            f"UPDATE {month} AS entry SET canonical = "
            "convert_to((to_jsonb(entry) - '{canonical,digest}'::text[])::text, 'UTF8')"
        )
        cursor.execute(rf"UPDATE {month} SET digest = sha256('\x00'::bytea || canonical)")
    seal.seal_all()
    audit.record(code=Code.SENSITIVE_READ, action=Crude.READ)
    seal.seal_all()
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {month}")


def test_months_tell_which_are_due(old_event: None) -> None:
    months = {month.first: month for month in retention.months()}
    assert months[OLD].due
    assert not months[clock.now().date().replace(day=1)].due
    assert len(months) >= 1 + partitions.MONTHS_AHEAD


def test_two_people_remove_a_month_and_the_rest_verifies(old_event: None) -> None:
    carol, pat = cast.carol(), cast.pat()
    with audit.bind(actor=carol):
        purge = retention.request(before=BEFORE, reason="Ten years are over.", actor=carol)
    with pytest.raises(retention.SamePerson):
        retention.approve(purge_id=purge.pk, actor=carol)
    assert AuditEvent.objects.filter(timestamp__year=2012).exists()
    with audit.bind(actor=pat):
        retention.approve(purge_id=purge.pk, actor=pat)
    assert not AuditEvent.objects.filter(timestamp__year=2012).exists()
    assert SealedEvent.objects.filter(timestamp__year=2012).exists(), "its place and digest stay"
    assert retention.pending() == []
    removed = AuditEvent.objects.get(object_type="compliance.AuditEvent", action="D")
    assert (removed.actor_name, removed.detail["months"]) == ("Pat Petrov", 1)
    assert AuditEvent.objects.filter(object_type="compliance.AuditPurge").count() == 2
    seal.seal_all()
    report = verify.verify()
    assert report.problems == []


def test_without_the_purge_the_same_loss_is_found(old_event: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE compliance_auditevent_201203")
    assert {problem.kind for problem in verify.verify().problems} == {"missing"}


def test_a_purge_does_not_excuse_younger_losses(old_event: None) -> None:
    carol, pat = cast.carol(), cast.pat()
    purge = retention.request(before=BEFORE, reason="Ten years are over.", actor=carol)
    retention.approve(purge_id=purge.pk, actor=pat)
    with trail.unprotected("compliance_auditevent") as cursor:
        cursor.execute("UPDATE compliance_auditpurge SET before = '2999-01-01'")
        cursor.execute("DELETE FROM compliance_auditevent WHERE lane = 'access' AND action = 'R'")
    assert "missing" in {problem.kind for problem in verify.verify().problems}


def test_young_events_are_kept() -> None:
    with pytest.raises(retention.TooYoung):
        retention.request(before=retention.oldest_kept() + timedelta(days=31), reason="Space.", actor=cast.carol())
    assert not AuditPurge.objects.exists()


def test_one_purge_at_a_time_and_decided_once(old_event: None) -> None:
    carol, pat = cast.carol(), cast.pat()
    purge = retention.request(before=BEFORE, reason="Ten years are over.", actor=carol)
    with pytest.raises(retention.AlreadyDecided):
        retention.request(before=BEFORE, reason="Again.", actor=pat)
    retention.cancel(purge_id=purge.pk, actor=carol)
    with pytest.raises(retention.AlreadyDecided):
        retention.approve(purge_id=purge.pk, actor=pat)
    assert AuditEvent.objects.filter(timestamp__year=2012).exists()


def test_the_database_itself_asks_for_two_people_and_ten_years(old_event: None) -> None:
    carol, pat = cast.carol(), cast.pat()

    def attempt(purge: AuditPurge) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT compliance_audit_purge(%s)", [purge.pk])

    young = AuditPurge.objects.create(
        before=clock.now().date(), reason="x", requested_by=carol, decided_by=pat, status="done"
    )
    with pytest.raises(IntegrityError):
        attempt(young)
    with pytest.raises(IntegrityError):
        attempt(AuditPurge.objects.create(before=BEFORE, reason="x", requested_by=carol))
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditPurge.objects.create(before=BEFORE, reason="x", requested_by=carol, decided_by=carol, status="done")


def test_a_month_with_unsealed_events_is_not_removed(old_event: None) -> None:
    carol, pat = cast.carol(), cast.pat()
    with trail.unprotected("compliance_sealedevent") as cursor:
        cursor.execute("DELETE FROM compliance_sealedevent WHERE position = 1")
    purge = retention.request(before=BEFORE, reason="Ten years are over.", actor=carol)
    with pytest.raises(IntegrityError):
        retention.approve(purge_id=purge.pk, actor=pat)
    purge.refresh_from_db()
    assert purge.status == AuditPurge.Status.REQUESTED
