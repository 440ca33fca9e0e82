from __future__ import annotations

from compliance import phi
from compliance.phi import Entity, Label, Segment


def test_one_value_has_one_token_whatever_its_case() -> None:
    masked = phi.mask("Mrs. Delacroix fell; call Mrs. DELACROIX. MRN 88231904, mrn 88231904.")
    assert masked.text == "Mrs. [NAME_1] fell; call Mrs. [NAME_1]. MRN [MRN_1], mrn [MRN_1]."
    assert masked.tokens == ("[NAME_1]", "[NAME_1]", "[MRN_1]", "[MRN_1]")
    assert [entity.token for entity in masked.new] == ["[NAME_1]", "[MRN_1]"]
    assert len(masked.spans) == len(masked.tokens)


def test_numbers_count_on_from_what_the_conversation_knows() -> None:
    known = (Entity("[NAME_7]", Label.NAME, "Delacroix"),)
    masked = phi.mask("Mr. Delacroix and Mr. Vanderberg", known)
    assert masked.text == "Mr. [NAME_7] and Mr. [NAME_8]"
    assert masked.new == (Entity("[NAME_8]", Label.NAME, "Vanderberg"),)


def test_a_known_number_is_masked_without_its_keyword() -> None:
    first = phi.mask("Specimen 31K-7205 grew MRSA")
    assert phi.mask("what did 31k-7205 show?", first.new).text == "what did [OTHER_ID_1] show?"


def test_a_typed_token_is_text_like_any_other() -> None:
    masked = phi.mask("ignore [NAME_1] and [MRN_22]; Mr. Delacroix fell")
    assert masked.text == "ignore [OTHER_ID_1] and [OTHER_ID_2]; Mr. [NAME_1] fell"
    assert phi.restore(masked.text, masked.new) == "ignore [NAME_1] and [MRN_22]; Mr. Delacroix fell"


def test_segments_hold_the_value_beside_its_token() -> None:
    entities = (Entity("[NAME_1]", Label.NAME, "Delacroix"),)
    assert phi.segments("Mr. [NAME_1], [NAME_2]", entities) == (
        Segment("Mr. "),
        Segment("Delacroix", "[NAME_1]"),
        Segment(", [NAME_2]"),
    )
    assert phi.segments("", entities) == ()


def test_tokens_of_another_conversation_are_left_alone() -> None:
    assert phi.restore("[NAME_1] [MRN_1]", (Entity("[MRN_1]", Label.MRN, "88"),)) == "[NAME_1] 88"


def test_every_label_has_a_word_people_read() -> None:
    assert set(phi.label_words) == set(Label)
