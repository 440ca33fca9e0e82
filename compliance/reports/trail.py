"""Audit analysis: what the trail of the month holds, what was denied and taken away, and whether it verified."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Final

from django.db.models import Count, DateTimeField
from django.db.models.functions import Cast, TruncDay

from compliance import audit_vocabulary
from compliance.audit import checkpoints
from compliance.models import AuditEvent, AuditPurge, AuditReview, AuditVerification, Outcome, Seal
from compliance.reports.sections import Cell, Period, Section, at, day

TRAIL: Final = "/compliance/audit/"


def fill(section: Section, period: Period) -> None:
    days, codes = _counted(period)
    outcomes: Counter[str] = Counter()
    for counts in codes.values():
        outcomes.update(counts)
    section.fact("Events", sum(outcomes.values()), period.audit())
    for outcome in Outcome:
        words = audit_vocabulary.OUTCOMES.get(outcome, outcome.label)
        section.fact(f"Outcome: {words.lower()}", outcomes[outcome], period.audit(outcome=outcome.value))
    _by_day(section, period, days)
    rows: list[list[Cell]] = [
        [
            audit_vocabulary.CODES.get(code, code),
            sum(counts.values()),
            counts[Outcome.DENIED],
            counts[Outcome.FAILURE],
        ]
        for code, counts in sorted(codes.items(), key=lambda one: (-sum(one[1].values()), one[0]))
    ]
    section.table("Events by kind", ["Kind", "Events", "Denied", "Failed"], rows, none="There are no events.")
    _exports(section, period)
    _verified(section, period)
    _chain(section, period)
    _reviewed(section, period)


def _by_day(section: Section, period: Period, days: Counter[tuple[date, bool]]) -> None:
    weeks: dict[date, list[int]] = {}
    rows: list[list[Cell]] = []
    for one in _days(period):
        well, badly = days[one, True], days[one, False]
        week = weeks.setdefault(one - timedelta(days=(one.day - 1) % 7), [0, 0])
        week[0], week[1] = week[0] + well, week[1] + badly
        rows.append([day(one), well + badly, badly])
    section.bars(
        "Events by week, and how many were no success",
        ["Success", "Denied or failed"],
        [(f"{first:%b} {first.day}", numbers) for first, numbers in weeks.items()],
        first="Days from",
    )
    section.table("Events by day", ["Day (UTC)", "Events", "Denied or failed"], rows)


def _days(period: Period) -> list[date]:
    number = (period.last.date() - period.start.date()).days + 1
    return [period.start.date() + timedelta(days=n) for n in range(number)]


def _counted(period: Period) -> tuple[Counter[tuple[date, bool]], dict[str, Counter[str]]]:
    """Events by day and success, and by kind and outcome: one reading of the month."""
    from datetime import UTC

    found = (
        AuditEvent.objects.filter(**period.inside("timestamp"))
        .order_by()
        .values_list(TruncDay(Cast("timestamp", DateTimeField()), tzinfo=UTC), "code", "outcome")
        .annotate(n=Count("*"))
    )
    days: Counter[tuple[date, bool]] = Counter()
    codes: dict[str, Counter[str]] = {}
    for moment, code, outcome, number in found:
        days[moment.date(), outcome == Outcome.SUCCESS] += number
        codes.setdefault(code, Counter())[outcome] += number
    return days, codes


def _exports(section: Section, period: Period) -> None:
    found = AuditEvent.objects.filter(detail__has_key="export", **period.inside("timestamp"))
    rows: list[list[Cell]] = [
        [
            at(when),
            name or "ClinChat",
            audit_vocabulary.OBJECTS.get(what, what),
            str(detail.get("export", "")),
            str(pk),
        ]
        for pk, when, name, what, detail in found.order_by("timestamp", "pk").values_list(
            "pk", "timestamp", "actor_name", "object_type", "detail"
        )
    ]
    section.fact("Exports", len(rows), period.audit(code="sensitive_read"))
    section.table("Exports", ["When", "Who", "Of what", "As", "Event"], rows, none="Nothing was exported.")


def _verified(section: Section, period: Period) -> None:
    ran = AuditVerification.objects.filter(**period.inside("ran_at"))
    failed = ran.filter(ok=False).order_by("ran_at")
    full = ran.filter(scope=AuditVerification.Scope.FULL).order_by("-ran_at").first()
    section.fact("Verifications of the trail", ran.count(), TRAIL)
    section.fact("Of them with problems", failed.count(), TRAIL)
    words = f"{at(full.ran_at)}, {full.events:,} events, {'no problem' if full.ok else 'problems'}" if full else "None"
    section.fact("Last verification of every event", words, TRAIL)
    if failed:
        section.table(
            "Verifications with problems",
            ["When", "Events", "Problems"],
            [[at(one.ran_at), one.events, len(one.problems)] for one in failed],
        )
    purged = AuditPurge.objects.filter(status=AuditPurge.Status.DONE, **period.inside("decided_at"))
    section.fact("Purges of events past their time", purged.count(), f"{TRAIL}retention/")


def _chain(section: Section, period: Period) -> None:
    last = Seal.objects.filter(sealed_at__lt=period.end).order_by("-number").first()
    seals = Seal.objects.filter(**period.inside("sealed_at"))
    section.fact("Seals", seals.count(), TRAIL)
    if last is None:
        section.note("No event was sealed by the end of the month: nothing proves that the trail is whole.")
        return
    section.fact("Last seal", last.number, TRAIL)
    section.fact("Events sealed since the beginning", last.first + last.size - 1, TRAIL)
    section.note(f"Checkpoint of the last seal, to compare with the trail later: {checkpoints.line(last)}")


def _reviewed(section: Section, period: Period) -> None:
    signed = AuditReview.objects.filter(**period.inside("signed_at")).select_related("signed_by")
    section.table(
        "Reviews of the trail that were signed",
        ["Week from", "Signed by", "When"],
        [[day(one.week), one.signed_by.name, at(one.signed_at)] for one in signed.order_by("signed_at")],
        none="No review of a week was signed.",
    )
