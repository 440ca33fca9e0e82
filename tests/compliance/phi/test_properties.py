from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from compliance import phi
from compliance.phi import Entity, Label
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
        *(
            "[NAME-1]",
            "[MRN_1",
            "-1]",
            "[Name 2]",
            "NAME-1",
            "NAME-",
            "\\[",
            "\\",
            "\\Delacroix",
            "[",
            "]",
            "5 mg",
            "room 6",
            "93 year old",
            "1/2",
        ),
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
def test_restoring_gives_back_the_text(text: str) -> None:
    masked = phi.mask(text)
    assert phi.restore(masked.text, masked.new, masked.spellings) == text


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_the_second_text_of_a_conversation_comes_back_as_well(first: str, second: str) -> None:
    known = phi.mask(first).new
    masked = phi.mask(second, known)
    assert phi.restore(masked.text, (*known, *masked.new), masked.spellings) == second


ANSWERS = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *(
                    "[NAME-1]",
                    "[Name 1]",
                    "**[NAME-1]**",
                    "NAME-1's",
                    "[NAME_1",
                    "]",
                    "[",
                    "\\[NAME-1\\]",
                    "[AGE_OVER_89-1]",
                ),
                *("[NAME-11]", "SURNAME-1", "NAME", "-1", " ", "\n", "[[", "AGE OVER 89", "x" * 50),
            ]
        ),
        st.text(max_size=6),
    ),
    max_size=20,
)
ENTITIES = (Entity("[NAME-1]", Label.NAME, "Lopez"), Entity("[AGE_OVER_89-1]", Label.AGE_OVER_89, "93"))


@settings(deadline=None)
@given(ANSWERS, st.lists(st.integers(0, 300), max_size=12))
def test_a_stream_is_restored_as_its_text_is_wherever_it_is_split(answer: list[str], cuts: list[int]) -> None:
    text = "".join(answer)
    at = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    chunks = [text[a:b] for a, b in pairwise(at)]
    assert "".join(s.text for s in phi.restoring(chunks, ENTITIES)) == phi.restore(text, ENTITIES)


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
