"""The monthly report: the figures of a month, the same whenever it is made, on record with its digest."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from clinchat.lib import clock
from compliance import audit, tasks
from compliance.access import Role
from compliance.models import (
    AuditEvent,
    AuditVerification,
    BreakGlass,
    CatalogueVersion,
    ControlResult,
    Finding,
    MonthlyReport,
    Notice,
    Risk,
    RoleAssignment,
    RoleRequest,
    User,
)
from compliance.reports import monthly, sections
from tests import cast, factories
from tests.compliance.reports.making import keep, the_month
from training.models import Certificate, Enrolment

State = ControlResult.State
pytestmark = pytest.mark.django_db


def facts(report: MonthlyReport, key: str) -> dict[str, Any]:
    section = next(one for one in report.data["sections"] if one["key"] == key)
    return {name: value for name, value, _ in section["facts"]}


def table(report: MonthlyReport, key: str, title: str) -> list[list[Any]]:
    section = next(one for one in report.data["sections"] if one["key"] == key)
    rows: list[list[Any]] = next(one for one in section["tables"] if one["title"] == title)["rows"]
    return rows


def made() -> MonthlyReport:
    return monthly.make(the_month().month, None)


def test_made_twice_it_is_the_same_and_stored_once() -> None:
    keep("audit.grants", the_month().start + timedelta(days=3))
    first = monthly.make(the_month().month, cast.carol())
    again = monthly.make(the_month().last.date(), cast.sam())
    assert first == again
    first.refresh_from_db()
    assert monthly.sha256(first.data) == first.sha256
    assert [one["key"] for one in first.data["sections"]] == list(sections.TITLES)
    assert not first.data["provisional"]


def test_what_happens_later_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who leaves, a role that is taken, a check that fails: all of it is of the months to come."""
    month = the_month()
    before = month.start + timedelta(days=2)
    leaver = factories.make_user(roles=[Role.CLINICIAN, Role.AUDITOR], created_at=before)
    RoleAssignment.objects.filter(user=leaver).update(granted_at=before)
    keep("audit.grants", before)
    first = made()
    assert facts(first, "access")["People with an open account"] == 1
    assert facts(first, "access")["Roles held"] == 2
    leaver.role_assignments.filter(role=Role.AUDITOR).delete()
    leaver.is_active, leaver.closed_because, leaver.closed_at = False, User.Closed.LEFT, clock.now()
    leaver.save()
    keep("audit.grants", clock.now(), State.FAIL)
    assert made() == first


def test_a_figure_that_changes_makes_the_next_number() -> None:
    first = made()
    keep("audit.grants", the_month().start + timedelta(days=3))
    second = made()
    assert (first.number, second.number) == (1, 2)
    assert second.sha256 != first.sha256


def test_a_month_that_is_not_over_is_refused_or_marked() -> None:
    now = clock.now()
    with pytest.raises(monthly.NotOver):
        monthly.make(now.date(), None)
    with pytest.raises(monthly.NotOver):
        monthly.make(now.date() + timedelta(days=32), None, provisional=True)
    report = monthly.make(now.date(), None, provisional=True)
    assert report.data["provisional"]
    assert datetime.fromisoformat(report.data["before"]) >= now


def test_it_is_on_record_with_its_digest() -> None:
    with audit.bind(actor=cast.carol()):
        report = made()
    event = AuditEvent.objects.get(object_type="compliance.MonthlyReport")
    assert event.object_id == str(report.pk)
    assert event.changes["sha256"] == [None, report.sha256]
    assert "data" not in event.changes
    sealed = monthly.sealed(report)
    assert sealed is not None
    assert sealed.event == event.pk


# ── Figures ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_only_what_lies_within_the_month_counts() -> None:
    month = the_month()
    moments = [month.start - timedelta(microseconds=1), month.start, month.last, month.end]
    for moment in moments:
        AuditVerification.objects.create(
            ran_at=moment, scope="full", ok=moment != month.last, events=5, to_seal=1, seconds=1
        )
    found = facts(made(), "audit")
    assert found["Verifications of the trail"] == 2
    assert found["Of them with problems"] == 1


def test_changes_of_roles_name_both_people() -> None:
    month = the_month()
    RoleRequest.objects.create(
        kind="give",
        user=cast.alice(),
        role=Role.AUDITOR,
        reason="A secret reason",
        requested_by=cast.dora(),
        requested_at=month.start,
        status="approved",
        decided_by=cast.sam(),
        decided_at=month.start + timedelta(days=1),
    )
    report = made()
    (row,) = table(report, "access", "Changes of roles")
    assert row[:5] == [cast.alice().name, "Give: Auditor", cast.dora().name, cast.sam().name, "Approved"]
    assert "secret reason" not in str(report.data)


def test_emergency_access_and_its_review() -> None:
    month = the_month()
    for hours, reviewed in ((1, True), (2, False)):
        start = month.start + timedelta(hours=hours)
        done = {"reviewed_by": cast.pat(), "reviewed_at": start + timedelta(days=1), "finding": "justified"}
        BreakGlass.objects.create(
            user=cast.bob(),
            object_type="chat.Conversation",
            object_id="00000000-0000-4000-8000-000000000001",
            reason="A patient by name",
            started_at=start,
            ends_at=start + timedelta(minutes=30),
            ended_at=start + timedelta(minutes=30),
            review_due_at=start + timedelta(hours=70),
            **(done if reviewed else {}),
        )
    report = made()
    found = facts(report, "access")
    assert (found["Emergency accesses"], found["Emergency accesses not reviewed at the end"]) == (2, 1)
    assert [row[5] for row in table(report, "access", "Emergency access")] == ["Justified", "Not reviewed"]
    assert "patient by name" not in str(report.data)


def test_open_findings() -> None:
    month = the_month()
    sam, there = cast.sam(), month.start + timedelta(days=3)
    for fingerprint, closed in (("a" * 64, None), ("b" * 64, month.end), ("c" * 64, month.last)):
        Finding.objects.create(
            fingerprint=fingerprint,
            scanner="bandit",
            rule="B101",
            severity="high",
            place="a.py",
            title="T",
            found_at=there,
            closed_at=closed,
        )
    for number, due in ((1, month.last.date()), (2, month.end.date() + timedelta(days=400))):
        Risk.objects.create(
            number=number,
            title="T",
            threat="T",
            likelihood=5,
            impact=4,
            treatment="T",
            owner=sam,
            due=due,
            added_at=there,
        )
    keep("tls.edge", there)
    keep("tls.edge", there + timedelta(days=1), State.FAIL)
    keep("tls.edge", there + timedelta(days=2), State.FAIL)
    found = facts(report := made(), "findings")
    assert found["Findings of scanners"] == 2
    assert (found["Risks being treated"], found["Of them overdue"]) == (2, 1)
    assert table(report, "findings", "Overdue risks")[0][:3] == ["R-1", "critical", sam.name]
    (row,) = [row for row in table(report, "encryption", "On the way (TLS)") if row[0] == "tls.edge"]
    assert (row[2], row[5]) == ("Fails", 2)
    since = {row[0]: row[4] for row in table(report, "findings", "Controls that are not kept")}
    assert sections.at(there + timedelta(days=1)) in since.values()


def test_training_is_counted_as_of_the_end() -> None:
    month = the_month()
    person = factories.make_user(created_at=month.start)
    ended = month.start + timedelta(days=9)
    for slug, expires in (("hipaa", month.end + timedelta(days=9)), ("system-usage", ended)):
        Certificate.objects.create(
            person=person,
            enrolment=Enrolment.objects.create(
                person=person, slug=slug, opened_at=month.start, completed_at=month.start
            ),
            slug=slug,
            title=slug,
            version="1",
            percent=90,
            issued_at=month.start,
            expires_at=expires,
            token=f"t.{slug}",
        )
    found = facts(made(), "training")
    assert found["People"] == 1
    assert found["With a certificate that expired and was not renewed"] == 1
    assert found["Certified in all six modules at the end"] == 0


def test_what_does_not_exist_yet_is_said() -> None:
    notes = {one["key"]: " ".join(one["notes"]) for one in made().data["sections"]}
    assert "no register of incidents yet" in notes["incidents"]
    assert "No backup was ever found whole" in notes["backups"]


# ── The schedule ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_task_makes_the_last_month_once_and_tells_who_has_to_know() -> None:
    keep("audit.grants", the_month().start)
    cast.carol(), cast.pat(), cast.sam(), cast.alice()
    tasks.make_monthly_report()
    tasks.make_monthly_report()
    report = MonthlyReport.objects.get()
    assert report.month == the_month().month
    assert report.made_by is None
    told = Notice.objects.filter(title="Monthly report ready")
    assert {one.user.name for one in told} == {cast.carol().name, cast.pat().name, cast.sam().name}
    assert told.count() == 3


def test_before_checks_were_made_here_there_is_nothing_to_report() -> None:
    tasks.make_monthly_report()
    keep("audit.grants", clock.now())
    tasks.make_monthly_report()
    assert not MonthlyReport.objects.exists()


def test_a_report_until_now_does_not_stand_for_the_whole_month(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2031, 5, 20, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: now)
    keep("audit.grants", now - timedelta(days=3))
    monthly.make(now.date(), None, provisional=True)
    monkeypatch.setattr(clock, "now", lambda: datetime(2031, 6, 1, 0, 10, tzinfo=UTC))
    assert monthly.gaps() == [date(2031, 5, 1)]
    tasks.make_monthly_report()
    assert monthly.gaps() == []
    assert [one.data["provisional"] for one in MonthlyReport.objects.order_by("number")] == [True, False]


def test_a_month_that_was_left_out_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2031, 6, 3, tzinfo=UTC))
    keep("audit.grants", datetime(2031, 3, 20, tzinfo=UTC))
    tasks.make_monthly_report()
    assert monthly.gaps() == [date(2031, 3, 1), date(2031, 4, 1)]
    report = MonthlyReport.objects.get()
    assert facts(report, "findings")["Months without a report"] == 2
    assert "2031-03, 2031-04" in str(report.data)


def test_the_score_is_that_of_the_last_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    from compliance.controls import standing

    month = the_month()
    keep("audit.grants", month.last - timedelta(minutes=3))
    keep("audit.grants", month.end, State.FAIL)
    found = standing.at(month.last)
    assert facts(made(), "score")["Score with its rows, SHA-256"] == standing.digest(found)
    assert CatalogueVersion.objects.exists()
