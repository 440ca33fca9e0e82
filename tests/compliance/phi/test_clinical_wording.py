"""Nothing clinical is lost: one row a class of wording, and the same words where they name a person or a place."""

from __future__ import annotations

import pytest

from compliance.phi.detectors import clinical
from tests.compliance.phi.found import found, masked


@pytest.mark.parametrize(
    "text",
    [
        "Lasix 40 mg BID, metoprolol 25 mg, BNP 1840, INR 2.4, eGFR 45, K 5.6",
        "A 54-year-old man with BP 142/88, HR 96, SpO2 94% on 2 L, GCS 14",
        "PHQ-9 of 18, GAD-7 12; start sertraline 50 mg?",
        "PARADIGM-HF vs PIONEER-HF: Entresto 24/26 after NSTEMI",
        "Compare Ozempic, Mounjaro and Trulicity for weight loss",
        "Hospital acquired pneumonia: Zosyn + vancomycin vs cefepime 2 g q8h",
        "Can I give trimethoprim-sulfamethoxazole to a patient on warfarin?",
        "CHA2DS2-VASc 3, HAS-BLED 2, apixaban 5 mg or rivaroxaban 20 mg with food",
        "1:1000 epinephrine 0.3 mg IM, then 30 mL/kg over 3 hours",
        "Patient Education: Heart Failure. Past Medical History: Hypertension",
        "BRCA1, APOE4 and c.942+3A>T",
        "NCT04280705, PMID 32445440, LOINC 2160-0, doi 10.1056/NEJMoa2021436",
        "Providencia stuartii, Serratia marcescens, M. malmoense, C. difficile",
        "t(9;22)(q34;q11), del(17p), 46,XX, HLA-B*57:01, V600E, 22q11.2",
        "Chest x-ray, HeLa cells, BMS-986165, KEYNOTE-189",
    ],
)
def test_clinical_questions_come_through_untouched(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Wilson disease in a child", "Wilson disease"),
        ("Barnes akathisia 2", "Barnes"),
        ("Hickman, Broviac and Tenckhoff catheters", "Hickman"),
        ("The circle of Willis is complete", "Willis"),
        ("I also have Addison's, which worries me", "Addison"),
        ("Weber B fracture", "Weber"),
        ("Austin Flint physiology", "Austin Flint"),
        ("McConnell absent", "McConnell"),
        ("take Yasmin with lamotrigine", "Yasmin"),
        ("California does not require it", "California"),
    ],
)
def test_a_name_that_medicine_has_taken_over_is_proposed_to_stay(text: str, kept: str) -> None:
    stays = {i for c in clinical.detect(text) if c.label is None for i in range(c.start, c.end)}
    start = text.index(kept)
    assert stays.issuperset(range(start, start + len(kept)))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Mr. Parkinson has Parkinson disease", "NAME"),
        ("Mrs. Graves with Graves disease", "NAME"),
        ("seen by Dr. Foley about the Foley catheter", "NAME"),
        ("lives in Norco, CA and takes Norco 5/325", "LOCATION"),
    ],
)
def test_a_cue_uncovers_the_person_or_town_and_nothing_else(text: str, label: str) -> None:
    assert [kind for kind, _ in found(text)] == [label]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("COPD, Henry B., treated with prednisone", "Henry B."),
        ("atrial fibrillation, Martin L., on apixaban", "Martin L."),
        ("warfarin for Robert Wilson", "Robert Wilson"),
        ("ALS from Miami", "Miami"),
    ],
)
def test_a_person_or_town_beside_a_term_is_no_part_of_it(text: str, name: str) -> None:
    start = text.index(name)
    kept = {i for c in clinical.detect(text) for i in range(c.start, c.end)}
    assert kept.isdisjoint(range(start, start + len(name)))


def test_only_the_identifiers_of_a_note_are_replaced() -> None:
    text = (
        "61yo F Ludmila Petrenko MRN 70935518 DOB 9/21/63, on Entresto 24/26 nightly, Na 132. "
        "Dr. Rao at Lakeview Regional asks: hold spironolactone 25 mg?"
    )
    assert masked(text) == (
        "61yo F [NAME-1] MRN [MRN-1] DOB [DATE-1], on Entresto 24/26 nightly, Na 132. "
        "Dr. [NAME-2] at [FACILITY-1] asks: hold spironolactone 25 mg?"
    )
