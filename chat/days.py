"""Days of this installation's calendar: today, and a day as a moment, for the knowledge base "as of" it."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from django.utils import timezone

from clinchat.lib import clock


class NotYet(ValueError):
    """The day has not begun."""


def today() -> date:
    """The day it is in this installation's time zone: dates of review and of validity are meant so."""
    return clock.now().astimezone(timezone.get_default_timezone()).date()


def end_of(day: date) -> datetime:
    """The last moment of a day of this installation's time zone; of today, now. Raises NotYet."""
    if day > today():
        raise NotYet
    midnight = datetime.combine(day + timedelta(days=1), time.min, tzinfo=timezone.get_default_timezone())
    return min(midnight - timedelta(microseconds=1), clock.now())
