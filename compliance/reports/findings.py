"""What was open when the month ended: controls, findings of scanners, overdue risks, months without a report."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from compliance.controls import attestations, catalogue, standing
from compliance.controls.scoring import KEPT, WORDS, CheckStand, Row, State
from compliance.models import ControlException, ControlResult, Finding, MonthlyReport, Risk
from compliance.reports.sections import Cell, Period, Section, at, day, month_of

FINE = KEPT | {State.NOT_APPLICABLE}


def fill(section: Section, period: Period) -> None:
    _controls(section, period)
    _exceptions(section, period)
    _scanned(section, period)
    _risks(section, period)
    _gaps(section, period)


def _controls(section: Section, period: Period) -> None:
    rows = [row for row in standing.at(period.last).rows if row.state not in FINE]
    known = catalogue.current().by_id
    excepted = dict(ControlException.objects.live(period.last).values_list("control", "expires_at"))
    cells: list[list[Cell]] = []
    for row in sorted(rows, key=lambda one: (not one.gate, one.control)):
        control = known.get(row.control)
        owner = attestations.owner_of(control) if control else None
        until = excepted.get(row.control)
        cells.append(
            [
                row.control,
                control.title if control else "No longer in the catalogue",
                "Yes" if row.gate else "No",
                WORDS[row.state],
                _since(row),
                owner.name if owner else "Nobody named",
                f"Until {at(until)}" if until else "None",
            ]
        )
    section.fact("Controls that are not kept", len(cells), "/compliance/")
    section.fact("Of them gates", sum(row.gate for row in rows), "/compliance/")
    section.table(
        "Controls that are not kept",
        ["Control", "Title", "Gate", "State", "Since", "Owner", "Exception"],
        cells,
        none="Every control is kept.",
    )


def _since(row: Row) -> str:
    """The earliest time from which on one of its checks did not pass; empty where a check never ran."""
    moments = [_of_check(stand) for stand in row.checks if stand.state is not State.PASS]
    known = [one for one in moments if one is not None]
    if not moments:
        return "Nobody signed"
    return at(min(known)) if known else "Never ran"


def _of_check(stand: CheckStand) -> datetime | None:
    if stand.at is None:
        return None
    mine = ControlResult.objects.filter(check_key=stand.key, started_at__lte=stand.at)
    passed = mine.filter(state=ControlResult.State.PASS).order_by("-started_at").values_list("started_at", flat=True)
    last = passed.first()
    later = mine.filter(started_at__gt=last) if last else mine
    first = later.order_by("started_at").values_list("started_at", flat=True).first()
    return first or stand.at


def _exceptions(section: Section, period: Period) -> None:
    live = ControlException.objects.live(period.last).select_related("requested_by", "decided_by")
    section.fact("Exceptions in force", live.count(), "/compliance/")
    section.table(
        "Exceptions in force",
        ["Control", "Kind", "Asked for by", "Approved by", "Until"],
        [
            [
                one.control,
                one.get_kind_display(),
                one.requested_by.name,
                one.decided_by.name if one.decided_by else "",
                at(one.expires_at),
            ]
            for one in live.order_by("control")
        ],
        none="No exception is in force.",
    )


def _scanned(section: Section, period: Period) -> None:
    there = Finding.objects.filter(found_at__lt=period.end).filter(Q(closed_at=None) | Q(closed_at__gte=period.end))
    section.fact("Findings of scanners", there.count(), "/compliance/")
    section.table(
        "Findings of scanners",
        ["Severity", "Scanner", "Rule", "Where", "Since"],
        [
            [one.get_severity_display(), one.scanner, one.rule, one.place, at(one.found_at)]
            for one in sorted(there, key=lambda one: (_rank(one), one.found_at, one.fingerprint))
        ],
        none="No finding is open.",
    )


def _rank(one: Finding) -> int:
    return list(Finding.Severity).index(Finding.Severity(one.severity))


def _risks(section: Section, period: Period) -> None:
    open_ones = Risk.objects.open().filter(added_at__lt=period.end).select_related("owner")
    overdue = open_ones.filter(due__lt=period.end.date()).order_by("due", "number")
    section.fact("Risks being treated", open_ones.count(), "/compliance/risks/")
    section.fact("Of them overdue", overdue.count(), "/compliance/risks/")
    section.table(
        "Overdue risks",
        ["Risk", "Rating", "Owner", "Due", "Put off"],
        [[f"R-{one.number}", one.rating, one.owner.name, day(one.due), one.deferrals] for one in overdue],
        none="No risk is overdue.",
    )


def _gaps(section: Section, period: Period) -> None:
    missing = gaps(period.start)
    section.fact("Months without a report", len(missing), "/compliance/reports/")
    if missing:
        section.note(f"These months have no report: {', '.join(f'{one:%Y-%m}' for one in missing)}.")


def gaps(before: datetime) -> list[datetime]:
    """First moments of the months before that one which have no report, since checks were first made here."""
    first = ControlResult.objects.order_by("started_at").values_list("started_at", flat=True).first()
    if first is None:
        return []
    there = set(MonthlyReport.objects.filter(data__provisional=False).values_list("month", flat=True))
    found, month = [], month_of(first.date())
    while month.end <= before:
        if month.month not in there:
            found.append(month.start)
        month = month_of(month.end.date())
    return found
