# ruff: noqa: RUF001  oddly written text is what is tested

from __future__ import annotations

import pytest

from compliance.phi.normalise import normalise
from tests.compliance.phi.found import found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("MRN ８８２３１９０４ today", "８８２３１９０４"),
        ("M\u200bRN 8823\u200b1904 today", "8823\u200b1904"),
        ("ΜRΝ 88231904 today", "88231904"),
        ("SSN 518\u201144\u20117720 today", "518\u201144\u20117720"),
        ("Mr. Rene\u0301 Gilbert", "Rene\u0301 Gilbert"),
        ("Mrs. O\u2019Shaughnessy", "O\u2019Shaughnessy"),
    ],
)
def test_what_is_written_oddly_is_found_and_masked_whole(text: str, value: str) -> None:
    assert [words for _, words in found(text)] == [value]


def test_every_character_of_the_normal_form_points_back() -> None:
    text = "a\u200b½e\u0301ﷺ"
    normal = normalise(text)
    assert normal.text.startswith("a1/2é")
    assert normal.original(0, 1) == (0, 1)
    assert normal.original(1, 4) == (2, 3)
    assert normal.original(4, 5) == (3, 5)
    assert normal.original(len(normal.text) - 1, len(normal.text)) == (5, 6)
