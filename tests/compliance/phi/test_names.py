"""Names: one row a class of cue or form, both directions."""

from __future__ import annotations

import time

import pytest

from compliance import phi
from compliance.phi.types import Label


def names(text: str) -> list[str]:
    return [text[span.start : span.end] for span in phi.find(text) if span.label is Label.NAME]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        # titles, roles, relatives
        ("Can Mrs. Delacroix-Byrne take apixaban?", "Delacroix-Byrne"),
        ("spoke to dr. okonkwo-reyes about the drip", "okonkwo-reyes"),
        ("Patient Rosalind Achebe has eGFR 28", "Rosalind Achebe"),
        ("chaplain Br. Anselm visited", "Anselm"),
        ("Child is Beau, age 4.", "Beau"),
        ("Baby Okafor-Twin A desats", "Baby Okafor-Twin A"),
        ("66yo M Anton Petrenko on warfarin", "Anton Petrenko"),
        ("|1982440173^DESROSIERS^PAULE|", "DESROSIERS^PAULE"),
        ("WHO CLEARED MRS OYELARAN FOR SURGERY", "OYELARAN"),
        ("wife (Miriam) says he took 20 tablets", "Miriam"),
        ("son Elijah at the bedside", "Elijah"),
        ("Seen by Kirsten Aldaba yesterday", "Kirsten Aldaba"),
        ("onc is Sokolov, wants a PET first", "Sokolov"),
        ("Ravi from pharmacy changed the vanc dose", "Ravi"),
        ("Stephanie Quill, MD signed the order", "Stephanie Quill"),
        # what follows
        ("Maria Lopez, 72, new AF. Rate control?", "Maria Lopez"),
        ("Tran is a 61-year-old woman with cirrhosis", "Tran"),
        ("Oyelaran's potassium is 6.2", "Oyelaran"),
        ("55F, Ludmila Petrenko, K 6.1 on spironolactone", "Ludmila Petrenko"),
        # order, capitals, initials, particles
        ("HERNANDEZ-CRUZ, MARISOL F 44 with RUQ pain", "HERNANDEZ-CRUZ, MARISOL F"),
        ("Wieczorek, Tomasz: restart metformin?", "Wieczorek, Tomasz"),
        ("PID|1|VANDERBERG^ELISE^M|F", "VANDERBERG^ELISE^M"),
        ("T. J. Hollister / PSA 14", "T. J. Hollister"),
        ("pt Q.R. is confused, lactate 3", "Q.R."),
        ("pt MR in 4 needs an MR brain, egfr 28", "MR"),
        ("Advice for a 61-year-old male, Jamal W., on tacrolimus?", "Jamal W."),
        ("Ahmed bin Rashid is fasting", "Ahmed bin Rashid"),
        ("consult for Willem van der Meer, refeeding risk", "Willem van der Meer"),
        ("saw Mrs. O'Shaughnessy for warfarin", "O'Shaughnessy"),
        ("Nguyễn Văn Bình needs tenofovir", "Nguyễn Văn Bình"),
        ("Kim Dong-hyun needs a new inhaler", "Kim Dong-hyun"),
        ("MRS OYELARAN NEEDS VITAMIN K, INR 1.9 THIS MORNING", "OYELARAN"),
        ("NGUYEN/HOA 22JUL TROP 0.04", "NGUYEN/HOA"),
        ("who covers for Van tonight", "Van"),
        ("report called to Ben, RN", "Ben"),
        # relatives, callers and beds at a distance
        ("family of petrosyan want tnk", "petrosyan"),
        ("wife Joy cell 612.555.0139 reports a fall", "Joy"),
        ("pt in bed 4 is sigurdsson", "sigurdsson"),
        ("baby boy okonkwo 1.1 kg in the nicu", "baby boy okonkwo"),
        ("Crohn, the guy in 6E, does not have it", "Crohn"),
        # no capitals to help
        ("ask nguyen about the bp before the 6 am dose", "nguyen"),
        ("can I give toradol to maria lopez with CKD", "maria lopez"),
        ("hello joanna, what brings you in", "joanna"),
        ("my name is ines, can I take ibuprofen", "ines"),
        ("mr al-khatib fasting for ramadan, a1c 8.4", "al-khatib"),
        # words that are names, and eponyms that are people
        ("Grant Fields asks about a grant", "Grant Fields"),
        ("Mr. Long has a long way to go", "Long"),
        ("Ms. Addison asked about her cortisol", "Addison"),
        ("Foley in 22 took off his mask again", "Foley"),
        # forms
        ("Baby Girl Whitlock, bilirubin 14", "Baby Girl Whitlock"),
        ('"patientName": "Ngozi Umeh"', "Ngozi Umeh"),
        ("RN: Pagliarulo", "Pagliarulo"),
        ("Please call with results.\nThanks,\nKavita", "Kavita"),
        ("/s/ J. Ortiz MD", "J. Ortiz"),
    ],
)
def test_a_name_is_found_by_cue_form_or_list(text: str, name: str) -> None:
    assert names(text) == [name]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("her sons Tomasz and Piotr disagree", ["Tomasz", "Piotr"]),
        ("Days: Abernathy, Quach, de la Cruz, Pagliarulo (charge)", ["Abernathy", "Quach", "de la Cruz", "Pagliarulo"]),
        ("pt is xiong, spelled x i o n g", ["xiong", "x i o n g"]),
        ('{"family": "Oyelaran", "given": ["Tunde"]}', ["Oyelaran", "Tunde"]),
    ],
)
def test_several_people_are_several_names(text: str, expected: list[str]) -> None:
    assert names(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Parkinson disease, Wilson disease and Foley catheter care",
        "Does Crohn's disease raise the risk of Hodgkin lymphoma?",
        "Wells score or Duke criteria first?",
        "Braden 17, Morse 55, bed alarm on",
        "Fitzpatrick VI skin with a Schizas B stenosis",
        "Braxton Hicks or Sister Mary Joseph nodule",
        "EDD by LMP, Cologuard positive, Suprep tonight",
        "Dx 38341003^Hypertension^SCT",
        "Stevens-Johnson syndrome after Lamictal",
        "Lee Thompson Baker syndrome",
        "Polycythemia Vera and Johnson & Johnson vaccine",
        "St. John's wort with sertraline",
        "May we restart warfarin? Will it bleed? Grace score 140",
        "Assessment and Plan: Acute Kidney Injury, Type 2 Diabetes Mellitus",
        "American College of Cardiology guideline",
        "s/p Whipple, on Creon; no McConnell sign; Child-Pugh B",
        "Hartmann's or Ringer's in DKA?",
        "Klebsiella and Borrelia serology pending",
        "patient presents with cough, wife reports fever",
        "switch Lasix 40 to Bumex, hold Eliquis",
        "is the Foley still needed? when do we pull the Hickman?",
        "Bcx 10/29 NGTD, Pplat 29, until ROI signed, s/p lap chole",
        "grew E. faecalis and c. diff; Sheiner-Tozer corrected level; Snellen 20/40",
    ],
)
def test_clinical_and_everyday_words_stay(text: str) -> None:
    assert names(text) == []


def test_a_person_and_the_disease_of_the_same_name_are_told_apart() -> None:
    text = "Mr. Parkinson has Parkinson disease; Ms. Graves has Graves disease."
    assert phi.mask(text).text == "Mr. [NAME-1] has Parkinson disease; Ms. [NAME-2] has Graves disease."


@pytest.mark.parametrize(
    "unit", ["Maria ", "dr. ", "a-", "MARIA^", "J. ", "x i ", "patient: \n", "van der ", "Foley's "]
)
def test_long_repetitive_text_takes_linear_time(unit: str) -> None:
    def seconds(length: int) -> float:
        text = unit * (length // len(unit))
        start = time.process_time()
        phi.find(text)
        return time.process_time() - start

    seconds(1_000)
    assert seconds(20_000) < 10 * seconds(5_000) + 0.5
