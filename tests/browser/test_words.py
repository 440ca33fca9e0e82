"""Dates, times and counts read as every page writes them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from clinchat.lib import clock, ui_tags


def test_dates() -> None:
    assert ui_tags.day(date(2026, 10, 4)) == "Oct 4, 2026"
    assert ui_tags.day(datetime(2026, 10, 14, 14, 5, tzinfo=UTC)) == "Oct 14, 2026"
    assert ui_tags.day(None) == ui_tags.day("") == ""


def test_a_time_names_its_day_unless_it_is_today(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 10, 14, 16, 0, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: now)
    assert ui_tags.at(now - timedelta(hours=1, minutes=55)) == "at 14:05"
    assert ui_tags.at(now - timedelta(days=1)) == "on Oct 13, 2026 at 16:00"


def test_a_time_that_is_kept_names_its_day_always(monkeypatch: pytest.MonkeyPatch) -> None:
    then = datetime(2026, 10, 14, 14, 5, 9, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: then)
    assert ui_tags.on(then) == "on Oct 14, 2026 at 14:05"


def test_a_moment_is_exact() -> None:
    assert ui_tags.moment(datetime(2026, 10, 4, 14, 5, 9, tzinfo=UTC)) == "Oct 4, 2026, 14:05:09"


@pytest.mark.parametrize(("value", "words"), [(0.64, "0.6 s"), (6.2, "6.2 s"), (59.94, "59.9 s"), (125.0, "2 min 5 s")])
def test_durations(value: float, words: str) -> None:
    assert ui_tags.seconds(value) == words


@pytest.mark.parametrize(("values", "words"), [([], ""), ([1], "1"), ([1, 2], "1 and 2"), ([1, 2, 3], "1, 2 and 3")])
def test_lists(values: list[int], words: str) -> None:
    assert ui_tags.listed(values) == words


def test_counts() -> None:
    assert ui_tags.count(64) == "64"
    assert ui_tags.count(12840) == "12,840"


def test_an_icon_is_escaped_and_hidden_from_screen_readers() -> None:
    assert ui_tags.icon("sun", "pulse") == (
        '<svg class="i pulse" aria-hidden="true"><use href="/static/icons.svg#sun"/></svg>'
    )
    assert '"><b>' not in ui_tags.icon('"><b>')
