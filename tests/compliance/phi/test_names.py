from __future__ import annotations

import pytest

from compliance import phi
from tests.compliance.phi.found import found, masked


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Can Mrs. Delacroix-Byrne take apixaban?", "Delacroix-Byrne"),
        ("spoke to dr. okonkwo-reyes about the drip", "okonkwo-reyes"),
        ("Patient Rosalind Achebe has eGFR 28", "Rosalind Achebe"),
        ("Maria Lopez, 72, new AF. Rate control?", "Maria Lopez"),
        ("55F, Ludmila Petrenko, K 6.1 on spironolactone", "Ludmila Petrenko"),
        ("Advice for a 61-year-old male, Jamal W., on tacrolimus?", "Jamal W."),
        ("HERNANDEZ-CRUZ, MARISOL F 44 with RUQ pain", "HERNANDEZ-CRUZ, MARISOL F"),
        ("Wieczorek, Tomasz: restart metformin?", "Wieczorek, Tomasz"),
        ("PID|1|VANDERBERG^ELISE^M|F", "VANDERBERG^ELISE^M"),
        ("T. J. Hollister / PSA 14", "T. J. Hollister"),
        ("pt Q.R. is confused, lactate 3", "Q.R."),
        ("wife (Miriam) says he took 20 tablets", "Miriam"),
        ("son Elijah at the bedside", "Elijah"),
        ("hello joanna, what brings you in", "joanna"),
        ("my name is ines, can I take ibuprofen", "ines"),
        ("can I give toradol to maria lopez with CKD", "maria lopez"),
        ("Nguyễn Văn Bình needs tenofovir", "Nguyễn Văn Bình"),
        ("Ahmed bin Rashid is fasting", "Ahmed bin Rashid"),
        ("Seen by Kirsten Aldaba yesterday", "Kirsten Aldaba"),
        ("Grant Fields asks about a grant", "Grant Fields"),
        ("Baby Girl Whitlock, bilirubin 14", "Baby Girl Whitlock"),
        ("Stephanie Quill, MD signed the order", "Stephanie Quill"),
    ],
)
def test_names_are_found_by_cue_form_or_list(text: str, name: str) -> None:
    assert found(text) == [("NAME", name)]


@pytest.mark.parametrize(
    "text",
    [
        "Parkinson disease, Wilson disease and Foley catheter care",
        "Does Crohn's disease raise the risk of Hodgkin lymphoma?",
        "Wells score or Duke criteria first?",
        "Stevens-Johnson syndrome after Lamictal",
        "Lee Thompson Baker syndrome",
        "Polycythemia Vera and Johnson & Johnson vaccine",
        "St. John's wort with sertraline",
        "May we restart warfarin? Will it bleed? Grace score 140",
        "Assessment and Plan: Acute Kidney Injury, Type 2 Diabetes Mellitus",
        "American College of Cardiology guideline",
    ],
)
def test_eponyms_and_everyday_words_stay(text: str) -> None:
    assert found(text) == []


def test_a_person_and_the_disease_of_the_same_name_are_told_apart() -> None:
    assert masked("Mr. Parkinson has Parkinson disease; Ms. Graves has Graves disease.") == (
        "Mr. [NAME_1] has Parkinson disease; Ms. [NAME_2] has Graves disease."
    )


def test_an_accepted_name_is_masked_wherever_it_stands_again() -> None:
    text = "Maria Lopez fell. Lopez is on apixaban, and MARIA's INR is 1.1."
    assert masked(text) == "[NAME_1] fell. [NAME_2] is on apixaban, and [NAME_3]'s INR is 1.1."


def test_a_bare_surname_of_an_earlier_question_is_masked() -> None:
    first = phi.mask("Maria Lopez, 72, on warfarin")
    second = phi.mask("Should lopez stop it before surgery?", first.new)
    assert second.text == "Should [NAME_2] stop it before surgery?"
    assert phi.mask("And Lopez's INR?", (*first.new, *second.new)).text == "And [NAME_2]'s INR?"
