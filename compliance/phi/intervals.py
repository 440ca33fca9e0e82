"""The days between masked dates: what an answer may need of them, and no more than that. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from compliance.phi.days import full_date, written_day_first
from compliance.phi.types import Entity, Label

_LONGEST = timedelta(days=90 * 365)


def intervals(entities: Iterable[Entity]) -> dict[str, int]:
    """Days from the earliest date to each, by token; empty for fewer than two full dates.

    An interval is no element of a date (45 CFR 164.514(b)(2)(i)(C)): it says how long, never when. One of ninety years
    would tell an age over 89, so dates that far before the last are left out.
    """
    dates = [entity for entity in entities if entity.label is Label.DATE]
    day_first = written_day_first(entity.value for entity in dates)
    days: dict[str, date] = {}
    for entity in dates:
        if day := full_date(entity.value, day_first=day_first):
            days.setdefault(entity.token, day)
    last = max(days.values(), default=date.min)
    days = {token: day for token, day in days.items() if last - day < _LONGEST}
    first = min(days.values(), default=last)
    return {token: (day - first).days for token, day in days.items()} if len(days) > 1 else {}
