from __future__ import annotations

import pytest

from compliance.phi.detectors import ages


def covered(text: str) -> list[str]:
    return sorted({text[start:end] for start, end, _, _ in ages.detect(text)})


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("97-year-old woman with AF", "97-year-old"),
        ("90 yo M, pneumonia", "90 yo"),
        ("pt is 101 years old", "101 years old"),
        ("a 97 y.o. gentleman", "97 y.o."),
        ("GRIEVE, 102 yrs.", "102 yrs"),
        ("Grandmother, 96, with shingles", "96"),
        ("she turned 102 and fell", "102"),
        ("turned ninety on Sunday", "ninety"),
        ("a ninety-four-year-old man", "ninety-four-year-old"),
        ("Mrs Goldfarb, ninety-six, asks", "ninety-six"),
        ("in her nineties, frail", "nineties"),
        ("she's ninety nine in a month", "ninety nine"),
        ("pt 93F with AKI", "93"),
        ("Doe / 95F / MRN 0117734", "95"),
        ("she is 93 and a half and frail", "93"),
        ("age 101: metformin 500", "101"),
        ("101 M with cough", "101"),
        ("age: 97", "97"),
        ("he is 91 on methotrexate", "91"),
        ("MGM d. 97 stroke", "97"),
        ("Consuelo, who at 91 cut the cord", "91"),
        ("her 96th birthday", "96th"),
        ("M/92 with fall", "92"),
        ("93/F with fall", "93"),
        ("Ruth (93) fell", "93"),
        ("Mabel (104!) fell", "104"),
        ('states "I\'m 94 and I stay"', "94"),
        ("her twin, also 97, came", "97"),
        ("Hollifield, Vergil   ninety-two   Dx C61", "ninety-two"),
        ("she'll be 100 next month", "100"),
        ("born 1929, 94 now", "94"),
        ("a spry 94, lives alone", "94"),
        ("Ethel is 93, is TAVR reasonable", "93"),
    ],
)
def test_ages_over_89_are_masked(text: str, age: str) -> None:
    assert age in covered(text)


@pytest.mark.parametrize(
    "text",
    [
        "54-year-old man, 72 yo F, 89-year-old",
        "temp 101F, HR 96, SpO2 94%, fever to 101 F, T 99F",
        "she is 92 on RA, he is 98 kg, sat 94 on 2L, her BP is 95/60",
        "95 mg/dL, 90-day mortality, 93% of 100, 95 years ago",
        "patients aged 90 or older, adults over 90 years, age > 90, aged 65 to 95 years, ages 90+",
        "I'm 95% sure, I am 98 kg, he's 96 on 2L and comfortable",
        "95 women and 93 male patients, 90-year-olds",
        "DOB 1931, a nonagenarian",
    ],
)
def test_younger_ages_groups_and_other_numbers_stay(text: str) -> None:
    assert covered(text) == []
