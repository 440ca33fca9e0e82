from __future__ import annotations

import pytest

from tests.compliance.phi.found import found


@pytest.mark.parametrize(
    "text",
    [
        "97-year-old woman with AF",
        "90 yo M, pneumonia",
        "pt is 101 years old",
        "Grandmother, 96, with shingles",
        "she turned 102 and fell",
        "a ninety-four-year-old man",
        "in her nineties, frail",
        "pt 93F with AKI",
    ],
)
def test_ages_over_89_are_masked(text: str) -> None:
    assert [label for label, _ in found(text)] == ["AGE_OVER_89"]


@pytest.mark.parametrize(
    "text",
    [
        "54-year-old man",
        "72 yo F",
        "89-year-old",
        "temp 101F, HR 96, SpO2 94%",
        "95 mg/dL",
        "90-day mortality",
        "93% of 100",
    ],
)
def test_younger_ages_and_other_numbers_stay(text: str) -> None:
    assert found(text) == []
