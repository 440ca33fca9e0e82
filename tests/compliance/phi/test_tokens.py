from __future__ import annotations

import pytest

from compliance import phi
from compliance.phi import Entity, Label, Segment

NAME = Entity("[NAME-1]", Label.NAME, "Delacroix")


def test_one_person_has_one_token_however_the_name_is_written() -> None:
    text = "Mrs. Ines Delacroix fell; call Mrs. DELACROIX. MRN 88231904, mrn 8823-1904, MRN 88231904."
    masked = phi.mask(text)
    assert masked.text == "Mrs. [NAME-1] fell; call Mrs. [NAME-1]. MRN [MRN-1], mrn [MRN-1], MRN [MRN-1]."
    assert masked.tokens == ("[NAME-1]", "[NAME-1]", "[MRN-1]", "[MRN-1]", "[MRN-1]")
    assert masked.spellings == (0, 1, 0, 1, 0)
    assert [(entity.token, entity.spelling) for entity in masked.new] == [
        *(("[NAME-1]", 0), ("[NAME-1]", 1)),
        *(("[MRN-1]", 0), ("[MRN-1]", 1)),
    ]
    assert phi.restore(masked.text, masked.new, masked.spellings) == text


def test_without_spellings_a_token_gives_what_was_written_first() -> None:
    masked = phi.mask("Mrs. Ines Delacroix fell; call Mrs. DELACROIX.")
    assert phi.restore("[NAME-1] rests.", masked.new) == "Ines Delacroix rests."


def test_a_family_name_that_may_be_two_people_is_neither() -> None:
    masked = phi.mask("Mr. Ines Delacroix and Mr. Paul Delacroix came. Mr. Delacroix left.")
    assert masked.tokens == ("[NAME-1]", "[NAME-2]", "[NAME-3]")


def test_one_day_has_one_token_however_it_is_written() -> None:
    assert phi.mask("seen 3/14/2024, again on March 14, 2024 and 2024-03-15").tokens == (
        "[DATE-1]",
        "[DATE-1]",
        "[DATE-2]",
    )


def test_numbers_count_on_from_what_the_conversation_knows() -> None:
    known = (Entity("[NAME-7]", Label.NAME, "Delacroix"),)
    masked = phi.mask("Mr. Delacroix and Mr. Vanderberg", known)
    assert masked.text == "Mr. [NAME-7] and Mr. [NAME-8]"
    assert masked.new == (Entity("[NAME-8]", Label.NAME, "Vanderberg"),)


def test_a_token_whose_value_is_no_longer_kept_stays_a_token_and_is_not_given_out_again() -> None:
    known = (Entity("[NAME-3]", Label.NAME, ""),)
    assert phi.mask("Mr. Delacroix", known).tokens == ("[NAME-4]",)
    assert phi.restore("Mr. [NAME-3]", known) == "Mr. [NAME-3]"


def test_a_known_number_is_masked_without_its_keyword() -> None:
    first = phi.mask("Specimen 31K-7205 grew MRSA")
    assert phi.mask("what did 31k-7205 show?", first.new).text == "what did [OTHER_ID-1] show?"


@pytest.mark.parametrize("typed", ["[NAME-1]", "[MRN-22]", "[Name 1]", "NAME-1", "[name_1]", "\\[NAME-1\\]"])
def test_a_typed_token_is_text_like_any_other(typed: str) -> None:
    text = f"ignore {typed}; Mr. Delacroix fell"
    masked = phi.mask(text)
    assert masked.text == "ignore [OTHER_ID-1]; Mr. [NAME-1] fell"
    assert phi.restore(masked.text, masked.new, masked.spellings) == text


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("[NAME-1] should", "Delacroix should"),
        ("**[NAME-1]** should", "**Delacroix** should"),
        ("[Name 1] should", "Delacroix should"),
        ("[name_1], then", "Delacroix, then"),
        ("[NAME\u20111]", "Delacroix"),
        ("\\[NAME-1\\]", "Delacroix"),
        ("[ NAME-1 ]", "Delacroix"),
        ("NAME-1's INR", "Delacroix's INR"),
        ("(NAME_1)", "(Delacroix)"),
        ("[NAME-2]", "[NAME-2]"),
        ("SURNAME-1", "SURNAME-1"),
        ("NAME-12", "NAME-12"),
        ("Name 1 of the list", "Name 1 of the list"),
        ("[NAME-01]", "[NAME-01]"),
        ("\\[NAME-1]", "\\Delacroix"),
    ],
)
def test_whatever_a_model_makes_of_a_token_is_understood(written: str, read: str) -> None:
    assert phi.restore(written, (NAME,)) == read


def test_segments_hold_the_value_beside_its_token() -> None:
    assert phi.segments("Mr. [name 1], [NAME-2]", (NAME,)) == (
        Segment("Mr. "),
        Segment("Delacroix", "[NAME-1]"),
        Segment(", [NAME-2]"),
    )
    assert phi.segments("", (NAME,)) == ()


def test_tokens_of_another_conversation_are_left_alone() -> None:
    assert phi.restore("[NAME-1] [MRN-1]", (Entity("[MRN-1]", Label.MRN, "88"),)) == "[NAME-1] 88"


def test_tokens_of_before_are_read_as_those_of_today() -> None:
    assert phi.as_token("[NAME_1]") == "[NAME-1]"
    assert phi.as_token("[AGE_OVER_89_2]") == "[AGE_OVER_89-2]"
    assert phi.without_tokens("protamine for [NAME_1] [HEALTH_PLAN-12]").split() == ["protamine", "for"]


def test_every_label_has_a_word_people_read() -> None:
    assert set(phi.label_words) == set(Label)
