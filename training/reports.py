"""What the monthly report says of training; compliance.reports shows it."""

from __future__ import annotations

from collections import Counter, defaultdict
from uuid import UUID

from django.db.models import Q

from compliance.models import User
from compliance.reports.sections import Cell, Period, Section, add, counted
from training.bank.types import SIX
from training.models import Attempt, Certificate, CertificateReminder, Enrolment, ModuleVersion, StageDecision


def register() -> None:
    add("training", fill)


def fill(section: Section, period: Period) -> None:
    """Of everybody with an open account at the end of the month who is no program."""
    from django.urls import reverse

    cohort, approvals = reverse("cohort"), reverse("approvals")
    everybody = User.objects.filter(is_service=False, created_at__lt=period.end)
    people = set(everybody.filter(Q(is_active=True) | Q(closed_at__gte=period.end)).values_list("pk", flat=True))
    held, expired = _certificates(period, people)
    certified = sum(set(SIX) <= slugs for slugs in held.values())
    lapsed = sum(bool(expired[one] - held[one]) for one in people)
    section.fact("People", len(people), cohort)
    section.fact("Certified in all six modules at the end", certified, cohort)
    section.fact("With a certificate that expired and was not renewed", lapsed, cohort)
    section.fact("Overdue with a change or a renewal", _overdue(period, people), cohort)
    reminders = CertificateReminder.objects.filter(**period.inside("at")).count()
    section.fact("Reminders of certificates that end", reminders, cohort)
    section.fact("Decisions on access", StageDecision.objects.filter(**period.inside("at")).count(), approvals)
    _modules(section, period, Counter(slug for slugs in held.values() for slug in slugs), len(people))


def _certificates(period: Period, people: set[UUID]) -> tuple[dict[UUID, set[str]], dict[UUID, set[str]]]:
    """The modules each person held a certificate of at the end, and those of which one had expired by then."""
    held: dict[UUID, set[str]] = defaultdict(set)
    expired: dict[UUID, set[str]] = defaultdict(set)
    issued = Certificate.objects.of_modules().filter(issued_at__lt=period.end)
    issued = issued.filter(Q(revoked_at=None) | Q(revoked_at__gte=period.end))
    for person, slug, expires in issued.order_by().values_list("person_id", "slug", "expires_at"):
        if person in people:
            (held if expires >= period.end else expired)[person].add(slug)
    return held, expired


def _overdue(period: Period, people: set[UUID]) -> int:
    due = Enrolment.objects.exclude(kind=Enrolment.Kind.FIRST).filter(opened_at__lt=period.end, due_at__lt=period.end)
    due = due.filter(Q(completed_at=None) | Q(completed_at__gte=period.end))
    due = due.filter(Q(closed_at=None) | Q(closed_at__gte=period.end))
    return len(people & set(due.values_list("person_id", flat=True)))


def _modules(section: Section, period: Period, held: Counter[str], people: int) -> None:
    submitted = Attempt.objects.filter(**period.inside("submitted_at"))
    results = counted(submitted, "enrolment__slug", "passed")
    titles = ModuleVersion.objects.titles()
    rows: list[list[Cell]] = [
        [
            title,
            held[slug],
            people - held[slug],
            results.get((slug, True), 0),
            results.get((slug, False), 0),
        ]
        for slug, title in titles.items()
    ]
    section.fact("Attempts submitted", sum(results.values()))
    section.bars(
        "Certified people by module at the end",
        ["Certified", "Not certified"],
        [(title, [held[slug], people - held[slug]]) for slug, title in titles.items()],
        first="Module",
    )
    section.table(
        "Modules",
        ["Module", "Certified", "Not certified", "Attempts passed", "Attempts not passed"],
        rows,
        none="No module is in force.",
    )
