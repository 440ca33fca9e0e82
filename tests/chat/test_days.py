"""Days are those of the installation's calendar, wherever UTC stands."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from chat import days
from clinchat.lib import clock

EVENING = datetime(2026, 5, 2, 3, tzinfo=UTC)  # in Los Angeles the evening of May 1


@pytest.fixture(autouse=True)
def evening(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.TIME_ZONE = "America/Los_Angeles"
    monkeypatch.setattr(clock, "now", lambda: EVENING)


def test_today_is_the_day_on_the_wall() -> None:
    assert days.today() == date(2026, 5, 1)


def test_a_day_ends_at_its_midnight_and_today_now() -> None:
    assert days.end_of(date(2026, 4, 30)) == datetime(2026, 5, 1, 6, 59, 59, 999999, tzinfo=UTC)
    assert days.end_of(date(2026, 5, 1)) == EVENING
    with pytest.raises(days.NotYet):
        days.end_of(date(2026, 5, 2))
