from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from compliance.phi.days import full_date
from compliance.phi.intervals import intervals
from compliance.phi.types import Entity, Label


def dates(*values: str) -> list[Entity]:
    return [Entity(f"[DATE-{i}]", Label.DATE, value) for i, value in enumerate(values, 1)]


@pytest.mark.parametrize(
    "written",
    [
        "3/7/2024",
        "03-07-24",
        "2024-03-07",
        "2024/3/7",
        "2024-Mar-07",
        "7.3.2024",
        "7.III.2024",
        "March 7, 2024",
        "Mar. 7th '24",
        "the 7th of March 2024",
        "Thursday, 7 March 2024",
        "07MAR24",
        "7-Mar-2024 06:52",
        "2024-03-07T23:58:00Z",
        "2024-03-07 0930",
        "20240307",
        "20240307142507-0500",
        "03 07 2024",
    ],
)
def test_one_day_in_every_spelling(written: str) -> None:
    assert full_date(written) == date(2024, 3, 7)


@pytest.mark.parametrize(
    "written",
    [
        "3/7",
        "March 2024",
        "12/1921",
        "the 3rd",
        "2/30/2024",
        "3/4-3/9/2024",
        "March 3, 4 and 6, 2024",
        "Labor Day 2024",
        "Q1 2024",
    ],
)
def test_less_or_more_than_one_day_is_none(written: str) -> None:
    assert full_date(written) is None


def test_only_one_order_is_a_date() -> None:
    assert full_date("23/04/2022") == full_date("04/23/2022") == date(2022, 4, 23)
    assert full_date("4.17.1959") == date(1959, 4, 17)


def test_two_digits_of_a_year_are_not_in_the_future() -> None:
    next_year = datetime.now(tz=UTC).year + 1
    assert full_date(f"3/7/{next_year % 100:02d}") == date(next_year, 3, 7)
    assert full_date(f"3/7/{(next_year + 1) % 100:02d}") == date(next_year - 99, 3, 7)


def test_days_since_the_earliest_date() -> None:
    known = [*dates("3/14/2024", "Mar 1, 2024", "2024-04-01", "3/20"), Entity("[NAME-1]", Label.NAME, "1/1/2024")]
    assert intervals(known) == {"[DATE-1]": 13, "[DATE-2]": 0, "[DATE-3]": 31}


def test_one_european_date_tells_the_order_of_the_others() -> None:
    assert intervals(dates("23/04/2022", "02/05/2022")) == {"[DATE-1]": 0, "[DATE-2]": 9}
    assert intervals(dates("02/05/2022", "02/14/2022")) == {"[DATE-1]": 0, "[DATE-2]": 9}


def test_nothing_to_tell_of_a_single_date() -> None:
    assert intervals(dates("3/14/2024", "since 3/20")) == {}
    assert intervals([]) == {}


def test_no_interval_tells_an_age_over_89() -> None:
    assert intervals(dates("3/14/1931", "3/1/2024")) == {}
    assert intervals(dates("3/14/1931", "3/1/2024", "3/4/2024")) == {"[DATE-2]": 0, "[DATE-3]": 3}
