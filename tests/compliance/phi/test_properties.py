from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from compliance import phi
from compliance.phi import Label
from compliance.phi.tokens import TOKEN

PIECES = st.sampled_from(
    [
        *("Mr. Delacroix", "Maria Lopez, 72,", "lopez", "Lopez", "LOPEZ", "O'Brien", "A.B.", "'s", "Wilson disease"),
        *(
            "MRN 88231904",
            "88231904",
            "3/14/2024",
            "call 628-555-0174",
            "at OHSU",
            "a@b.example",
            "https://x.example/1",
        ),
        *("[NAME_1]", "[MRN_1", "_1]", "[", "]", "5 mg", "room 6", "93 year old", "1/2"),
        *("\n", "ﷺ", "\u200b", "e\u0301", "É", ".", ",", "(", "ß", "İ"),
    ]
)
TEXTS = st.one_of(st.text(max_size=200), st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=14).map(" ".join))
WHOLE = {Label.EMAIL, Label.PHONE, Label.MRN, Label.SSN, Label.URL, Label.OTHER_ID}


@settings(deadline=None)
@given(TEXTS)
def test_spans_are_sorted_disjoint_and_inside_the_text(text: str) -> None:
    spans = phi.find(text)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(left.end <= right.start for left, right in pairwise(spans))


@settings(deadline=None)
@given(TEXTS)
def test_restoring_gives_back_the_text_up_to_the_case_of_repeats(text: str) -> None:
    masked = phi.mask(text)
    back = phi.restore(masked.text, masked.new)
    assert back.casefold() == text.casefold()
    spellings = {text[span.start : span.end] for span in masked.spans}
    if len({value.casefold() for value in spellings}) == len(spellings):
        assert back == text


@settings(deadline=None)
@given(TEXTS)
def test_masking_again_gives_the_same_tokens(text: str) -> None:
    once = phi.mask(text)
    again = phi.mask(text, once.new)
    assert again.text == once.text
    assert again.tokens == once.tokens
    assert again.new == ()


@settings(deadline=None)
@given(TEXTS)
def test_no_value_that_was_found_is_left_standing(text: str) -> None:
    masked = phi.mask(text)
    rest = TOKEN.sub(" ", masked.text).split()
    for span in masked.spans:
        value = text[span.start : span.end]
        if span.label in WHOLE and sum(c.isalnum() for c in value) >= 5:
            assert value not in rest


@settings(deadline=None)
@given(TEXTS)
def test_the_same_text_always_gives_the_same_answer(text: str) -> None:
    assert phi.mask(text) == phi.mask(text)
