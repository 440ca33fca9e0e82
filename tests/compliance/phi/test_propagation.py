"""An accepted name or number is masked wherever it stands again, and never where the word is clinical."""

from __future__ import annotations

import pytest

from compliance import phi


def test_an_accepted_name_is_masked_wherever_it_stands_again() -> None:
    masked = phi.mask("Maria Lopez fell. Lopez is on apixaban, and MARIA's INR is 1.1.").text
    assert "Lopez" not in masked
    assert "MARIA" not in masked


def test_a_bare_surname_of_an_earlier_question_is_masked() -> None:
    first = phi.mask("Maria Lopez, 72, on warfarin")
    assert "lopez" not in phi.mask("Should lopez stop it before surgery?", first.new).text


@pytest.mark.parametrize(
    ("earlier", "text"),
    [
        ("Mr. Wilson, 44, on trientine", "Any Wilson disease guideline?"),
        ("Mr. Long, 71, post CVA", "a long course of doxycycline"),
        ("Mrs. Will Hope, 80", "Will it work? We hope so."),
        ("Ms. Addison, 50", "is the Addison's worse?"),
        ("Mr. Foley in 22", "pull the Foley today"),
    ],
)
def test_a_clinical_or_everyday_word_is_no_repeat(earlier: str, text: str) -> None:
    assert phi.mask(text, phi.mask(earlier).new).text == text


def test_initials_repeat_in_small_letters() -> None:
    assert "j.k." not in phi.mask("j.k. again, I mean pt J.K. from yesterday").text
