"""Results of checks as they stood at the end of a period, and what they came to within it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from compliance.controls import catalogue
from compliance.models import ControlResult
from compliance.reports.sections import Cell, Period, Section, at

State = ControlResult.State
NEVER = "Never ran"


def newest(key: str, by: datetime) -> ControlResult | None:
    """The last result of a check before a moment."""
    return ControlResult.objects.filter(check_key=key, started_at__lt=by).order_by("-started_at").first()


def of_area(*beginnings: str) -> list[str]:
    """Checks whose keys begin so, as the catalogue has them."""
    return [key for key in catalogue.current().checks if key.startswith(beginnings)]


def control_of(key: str) -> str:
    control = catalogue.current().control_of(key)
    return control.id if control else ""


def table(section: Section, period: Period, title: str, keys: Iterable[str]) -> None:
    """Where each of these checks stood at the end, and how often it did not pass meanwhile."""
    wanted = list(keys)
    bad = not_passed(period, wanted)
    rows: list[list[Cell]] = []
    for key in wanted:
        last = newest(key, period.end)
        state = last.get_state_display() if last else NEVER
        rows.append(
            [key, control_of(key), state, last.observed if last else "", at(last.started_at) if last else "", bad[key]]
        )
    section.table(title, ["Check", "Control", "State at the end", "What it saw", "When", "Did not pass"], rows)


def not_passed(period: Period, keys: Iterable[str]) -> Counter[str]:
    """How many results of each check within the period were not passes."""
    from django.db.models import Count

    found = ControlResult.objects.filter(**period.inside("started_at"), check_key__in=list(keys))
    return Counter(dict(found.exclude(state=State.PASS).order_by().values_list("check_key").annotate(n=Count("*"))))
