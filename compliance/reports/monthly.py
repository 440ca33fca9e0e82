"""The monthly report: the figures of a month in UTC, worked out from rows with times in it and kept as they were.

Made again from the same rows it is the same to the byte, so it has the same SHA-256; that is on record in the audit
trail with the row, and sealed there.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.urls import reverse

from clinchat.lib import clock
from compliance import audit, notices
from compliance.access.roles import Role
from compliance.audit import handed
from compliance.controls import results
from compliance.models import AuditEvent, MonthlyReport, SealedEvent, User
from compliance.reports import findings, sections
from compliance.reports.sections import Period, month_of

TOLD: Final = (Role.COMPLIANCE_MANAGER, Role.PRIVACY_OFFICER, Role.SECURITY_OFFICER)
TYPE: Final = "clinchat.report.month"


class NotOver(Exception):
    """The month is not over, or has not begun: its figures are not final."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """The event of a report in the audit trail; `seal` is None until it is sealed, within seconds."""

    event: UUID
    seal: int | None
    position: int | None


def make(month: date, by: User | None, *, provisional: bool = False) -> MonthlyReport:
    """The report of a month, whichever day of it is given; nobody (None) is the schedule.

    Nothing is stored anew where the newest one says the same already. Raises NotOver, unless what there is until now
    was asked for: then it is marked so.
    """
    return _made(month, by, provisional=provisional)[0]


def _made(month: date, by: User | None, *, provisional: bool = False) -> tuple[MonthlyReport, bool]:
    """The report, and whether it is a new one."""
    now, period = clock.now(), month_of(month)
    if period.start > now or (period.end > now and not provisional):
        raise NotOver
    if period.end > now:
        period = Period(period.month, period.start, now, provisional=True)
    data = collected(period)
    digest = sha256(data)
    while True:
        mine = MonthlyReport.objects.filter(month=period.month)
        last = mine.order_by("-number").first()
        if last is not None and last.sha256 == digest:
            return last, False
        try:
            with transaction.atomic():
                made = MonthlyReport.objects.create(
                    month=period.month,
                    number=last.number + 1 if last else 1,
                    data=data,
                    sha256=digest,
                    made_by=by,
                )
            return made, True
        except IntegrityError:  # somebody else took the number meanwhile: theirs may be the same
            if not mine.filter(number=last.number + 1 if last else 1).exists():
                raise


def collected(period: Period) -> dict[str, Any]:
    """Everything a report shows, as plain values."""
    data = {
        "type": TYPE,
        "form": 1,
        "month": f"{period.month:%Y-%m}",
        "from": period.start.isoformat(),
        "before": period.end.isoformat(),
        "provisional": period.provisional,
        "sections": sections.collected(period),
    }
    kept: dict[str, Any] = json.loads(results.canonical(data))
    return kept


def sha256(data: dict[str, Any]) -> str:
    return hashlib.sha256(results.canonical(data)).hexdigest()


def last_month() -> Period:
    """The month that ended last."""
    this = month_of(clock.now().date())
    return month_of(date.fromordinal(this.month.toordinal() - 1))


def make_due() -> MonthlyReport | None:
    """The report of the last month, unless there is one; tells who has to know. Safe to run twice, also at once."""
    month = last_month()
    if not _has_data(month) or final(month.month) is not None:
        return None
    report, new = _made(month.month, None)
    if new:
        tell(report)
    return report


def _has_data(period: Period) -> bool:
    """Before checks were first made here there is nothing to report on."""
    from compliance.models import ControlResult

    return ControlResult.objects.filter(started_at__lt=period.end).exists()


def final(month: date) -> MonthlyReport | None:
    """The newest report of a month that was over when it was made."""
    return MonthlyReport.objects.filter(month=month, data__provisional=False).order_by("-number").first()


def gaps() -> list[date]:
    """Months that are over and have no report, the oldest first."""
    return [one.date() for one in findings.gaps(month_of(clock.now().date()).start)]


def hand_out(report: MonthlyReport, content: bytes, *, form: str) -> None:
    """Put on record that this file of the report is taken away, before it is. Raises AuditUnavailable."""
    export = audit.record(
        code=audit.Code.SENSITIVE_READ,
        action=audit.Crude.READ,
        object_type="compliance.MonthlyReport",
        object_id=str(report.pk),
        detail={"export": form},
    )
    handed.out(export, sha256=hashlib.sha256(content).hexdigest(), count=1)


def tell(report: MonthlyReport) -> None:
    notices.tell(
        notices.holders(*TOLD),
        title="Monthly report ready",
        text=f"The report of {report.month:%B %Y} was made. Read it, and look into what is open.",
        url=reverse("report", args=[report.pk]),
    )


def sealed(report: MonthlyReport) -> Sealed | None:
    """Where the audit trail has this report. None where its event is missing, which should not be."""
    events = AuditEvent.objects.filter(object_type="compliance.MonthlyReport", object_id=str(report.pk))
    event = events.filter(changes__has_key="sha256").order_by("timestamp").values_list("pk", flat=True).first()
    if event is None:
        return None
    place = SealedEvent.objects.filter(event=event).first()
    return Sealed(event, place.seal_id if place else None, place.position if place else None)
