from __future__ import annotations

import pytest

from tests.compliance.phi.found import masked


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
    ],
)
def test_clinical_questions_come_through_untouched(text: str) -> None:
    assert masked(text) == text


def test_only_the_identifiers_of_a_note_are_replaced() -> None:
    text = (
        "61yo F Ludmila Petrenko MRN 70935518 DOB 9/21/63, on Entresto 24/26 nightly, Na 132. "
        "Dr. Rao at Lakeview Regional asks: hold spironolactone 25 mg?"
    )
    assert masked(text) == (
        "61yo F [NAME_1] MRN [MRN_1] DOB [DATE_1], on Entresto 24/26 nightly, Na 132. "
        "Dr. [NAME_2] at [FACILITY_1] asks: hold spironolactone 25 mg?"
    )
