# ruff: noqa: RUF001  oddly written text is what is tested

from __future__ import annotations

import pytest

from compliance.phi.detectors import dates
from compliance.phi.types import Label
from tests.compliance.phi.found import found


def covered(text: str) -> str:
    """The text with every date as dots, as the detector alone sees it."""
    out = list(text)
    for start, end, label, _ in dates.detect(text):
        if label is Label.DATE:
            out[start:end] = "." * (end - start)
    return "".join(out)


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("seen 3/14/2024 for cough", "3/14/2024"),
        ("DOB 7-Feb-1988 with asthma", "7-Feb-1988"),
        ("admitted 2024-11-05 with HF", "2024-11-05"),
        ("born on 19.04.1961, gout", "19.04.1961"),
        ("seen 4.17.59, gout", "4.17.59"),
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
        ("dob 031458", "031458"),
        ("dob 3 14 58", "3 14 58"),
        ("collected 1984-02-17 07:45:10 fasting", "1984-02-17 07:45:10"),
        ("received 2024-03-10T23:58:00Z today", "2024-03-10T23:58:00Z"),
        ("OBX|20240311142507-0500|", "20240311142507-0500"),
        ("procedure 04JUL24 0730", "04JUL24"),
        ("from 14-MAR-2024 06:52 on", "14-MAR-2024 06:52"),
        ("randomised 10.I.2023 to", "10.I.2023"),
        ("seen 0ct 5 for", "0ct 5"),
        ("visit sept.12 with", "sept.12"),
        ("on 12th aug he", "12th aug"),
        ("Nov 2021 and Q1 2023", "Nov 2021"),
        ("in 5 de mayo de 2023", "5 de mayo de 2023"),
        ("drawn ３/１４/２０２４ fasting", "３/１４/２０２４"),
        ("the eleventh of November, nineteen thirty-two", "the eleventh of November, nineteen thirty-two"),
        ("hearing the first Tuesday in October", "the first Tuesday in October"),
        ("run out on the 17th can I", "the 17th"),
        ("cath the 3rd w/ DES", "the 3rd"),
        ("onset Sat the 9th, too late", "Sat the 9th"),
        ("fell on Christmas Eve", "Christmas Eve"),
        ("drank on new years eve", "new years eve"),
        ("before Rosh Hashanah 2024", "Rosh Hashanah 2024"),
        ("last c/s Ramadan 27 2023 per her", "Ramadan 27 2023"),
        ("on the eve of the Epiphany", "Epiphany"),
        ("missed July visit", "July"),
        ("GBS neg 1/9.", "1/9"),
        ("last leucine 10/12 = 286", "10/12"),
        ("discussed with Tillinghast 5/10;", "5/10"),
        ("got ivig 9/30 for kawasaki", "9/30"),
        ("A1c 9.1 (8/3)", "8/3"),
        ("Hgb 7.1 4/12 -> 6.8", "4/12"),
        ("nerve transposition 8-19, off", "8-19"),
        ("in gym on 10-3 and 10-5.", "10-5"),
        ("MRI 8.25 @ the clinic", "8.25"),
        ("level on 28.2. was low", "28.2"),
        ("lkw 07.09 2215", "07.09"),
    ],
)
def test_dates_finer_than_a_year(text: str, date: str) -> None:
    assert ("DATE", date) in found(text)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("3/4, 3/6 and 3/9", "..., ... and ..."),
        ("ran 3/4-3/9", "ran ...-..."),
        ("from 12/24/23-1/2/24", "from ........-......"),
        ("March 3, 4 and 6", "................"),
        ("the 2nd and 5th of June", "......................."),
        ("week of March 16-17", "week of ..........."),
        ("moved frm 4/9 to 4/23", "moved frm ... to ...."),
        ("mid-March 2021", "mid-.........."),
    ],
)
def test_ranges_and_lists_of_dates(text: str, left: str) -> None:
    assert covered(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "diagnosed in 2019, three years ago, on a Monday, DOB 1931, 2010-2012 and 2010-12",
        "Norco 5/325 q6h; Entresto 49/51; Lantus 1:10; Suboxone 8/2; Percocet 10/325 mg",
        "BP 120/80, strength 5/5, then 4/5 to 5/5, pain 8/10 since surgery, murmur 2/6, VA 20/40, 1/2 tab",
        "MoCA 11/30, GCS 12/15, PHQ-9 9/27, 6/12 cores, 3/15 nodes, ROS 12/12, TIMI 3/7",
        "BiPAP 12/5, PS 10/5, I:E 1:2, PAP 58/24/36, care 24/7",
        "May 10 mg be given? March 1st-line therapy; type 2 may differ; it may 3 times a day; the second may follow",
        "day 5/7 of cefepime, cycle 3/6, 2/4 blood cx bottles, SEM 3/6 at LSB, cramps 7/10 after eating, recall 2/3",
        "H/H 9/27, AST/ALT 22/18, T/D bili 12/3, NPH 12/8 bid, bipap 12/6, CPAP 10/5, repeat in 3/12, 32 5/7, JAK 1/3",
        "ages 9-14, score of 6-8, on 2-3 pressors, on 5-10 of pred, CT 3.2 cm, echo 3.5, seen 2.5 hrs ago",
        "Christmas disease, May-Thurner, OCT4 and SEPT9, Oct-4, a christmas tree rash",
        "G3P2 at 39+2, 32w4d, born at 39 2/7 weeks, T2N1M0, grade 3/4, day 3-5, 2-3 L, 5-10 mg",
        "INR 2.4, pH 7.21, EF 25-30%, 3.2 x 1.4 cm, v1.2.10, gabapentin 100-200-300 mg",
        "the 5th rib, 3rd trimester, below the 5th percentile, on the 3rd day, the 2nd and 3rd toes, the 12th nerve",
    ],
)
def test_years_doses_ratios_and_scores_stay(text: str) -> None:
    assert covered(text) == text
