# ruff: noqa: RUF001  oddly written text is what is tested

from __future__ import annotations

import pytest

from tests.compliance.phi.found import found


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("seen 3/14/2024 for cough", "3/14/2024"),
        ("DOB 7-Feb-1988 with asthma", "7-Feb-1988"),
        ("admitted 2024-11-05 with HF", "2024-11-05"),
        ("born on 19.04.1961, gout", "19.04.1961"),
        ("surgery was 12 Nov 2024", "12 Nov 2024"),
        ("he fell on October 22nd, 2021", "October 22nd, 2021"),
        ("since the 9th of March", "the 9th of March"),
        ("by the fifth of May", "the fifth of May"),
        ("mammogram November 2018 normal", "November 2018"),
        ("stitches out April 17", "April 17"),
        ("fever since 3/9", "3/9"),
        ("daughter called 07/19", "07/19"),
        ("dialysis skipped Friday 6/13", "Friday 6/13"),
        ("dob '47-08-19", "'47-08-19"),
        ("collected 1984-02-17 07:45:10 fasting", "1984-02-17 07:45:10"),
        ("fell on Christmas Eve", "Christmas Eve"),
        ("drawn ３/１４/２０２４ fasting", "３/１４/２０２４"),
    ],
)
def test_dates_finer_than_a_year(text: str, date: str) -> None:
    assert found(text) == [("DATE", date)]


@pytest.mark.parametrize(
    "text",
    [
        "diagnosed in 2019, three years ago, last July, on a Monday",
        "Norco 5/325 q6h; Entresto 49/51; Lantus 1:10",
        "BP 120/80, strength 5/5, pain 8/10 since surgery",
        "May 10 mg be given? March 1st-line therapy",
        "it may 3 times a day be taken",
        "Christmas disease is factor IX deficiency",
        "INR 2.4, pH 7.21, EF 25-30%",
    ],
)
def test_years_doses_ratios_and_scores_stay(text: str) -> None:
    assert found(text) == []
