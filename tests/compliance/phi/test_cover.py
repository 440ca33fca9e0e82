"""Masking words somebody points at: exact, on top of what is masked already, and never less of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance import phi
from compliance.phi import Entity, Label
from compliance.phi.cover import blank, cover, occurrences

LOPEZ = Entity("[NAME-1]", Label.NAME, "Maria Lopez")
DAY = Entity("[DATE-1]", Label.DATE, "Oct 12")


def covered(text: str, words: str, *known: Entity, label: Label = Label.NAME) -> phi.Masked:
    done = cover(text, known, (), words=words, label=label)
    assert done is not None
    return done.masked


@pytest.mark.parametrize(
    ("text", "words", "masked"),
    [
        ("Fatimah, 29, GDM diet", "Fatimah", "[NAME-1], 29, GDM diet"),
        ("FATIMAH and fatimah", "Fatimah", "[NAME-1] and [NAME-1]"),
        ("ask Ann  Lee now", "ann lee", "ask [NAME-1] now"),
        ("O\u2019Brien's INR", "O'Brien", "[NAME-1]'s INR"),
        ("Ann or Annette?", "Ann", "[NAME-1] or Annette?"),
        ("see MRN4471 and 4471", "4471", "see MRN[NAME-1] and [NAME-1]"),
        ("Greenbaumstrasse", "Greenbaum", "[NAME-1]strasse"),
    ],
)
def test_the_words_get_a_token(text: str, words: str, masked: str) -> None:
    assert covered(text, words).text == masked


@pytest.mark.parametrize(("text", "words"), [("many", "an"), ("Ann", "Bob"), ("x", "  "), ("12 mg of 112", "11")])
def test_what_is_not_there_is_not_covered(text: str, words: str) -> None:
    assert cover(text, (), (), words=words, label=Label.NAME) is None


def test_what_is_masked_already_is_no_find() -> None:
    assert cover("[NAME-1] takes it", [LOPEZ], (), words="Lopez", label=Label.NAME) is None


def test_a_token_the_words_reach_into_goes_into_theirs() -> None:
    done = covered("Dr. Ruiz [NAME-1] since [DATE-1]", "Ruiz Maria", LOPEZ, DAY, label=Label.OTHER_ID)
    assert done.text == "Dr. [OTHER_ID-1] since [DATE-1]"
    assert done.new == (Entity("[OTHER_ID-1]", Label.OTHER_ID, "Ruiz Maria Lopez"),)


def test_it_names_the_token_of_the_words() -> None:
    done = cover("[DATE-1]: Fatimah", [DAY], (), words="fatimah", label=Label.NAME)
    assert done is not None
    assert (done.token, done.masked.tokens) == ("[NAME-1]", ("[DATE-1]", "[NAME-1]"))


def test_another_spelling_is_restored_as_it_was_written() -> None:
    original = "FATIMAH, then Fatimah"
    done = covered(original, "fatimah")
    assert done.spellings == (0, 1)
    assert phi.restore(done.text, done.new, done.spellings) == original


@given(
    before=st.text(max_size=30),
    after=st.text(max_size=30),
    name=st.sampled_from(["Fatimah", "Ann Lee", "00482913", "ID-77/31", "José"]),
)
def test_whatever_stands_around_them_the_words_go_and_come_back(before: str, after: str, name: str) -> None:
    text = f"{before} {name} {after}"
    if phi.tokens_of(text):
        return  # masked before it gets here
    done = covered(text, name)
    assert not occurrences(phi.without_tokens(done.text), name)
    assert phi.restore(done.text, done.new, done.spellings) == text


def test_blank_puts_something_else_there() -> None:
    assert blank("Fatimah is fatimah", "FATIMAH", "…") == "… is …"
    assert blank("nothing here", "", "…") == "nothing here"
