from __future__ import annotations

import pytest

from tests.compliance.phi.found import found


@pytest.mark.parametrize(
    ("text", "label", "value"),
    [
        ("SSN: 518-44-7720 letter", "SSN", "518-44-7720"),
        ("his SSN is 518447720", "SSN", "518447720"),
        ("mrn 88231904 eGFR 28", "MRN", "88231904"),
        ('{"mrn":"70935518"}', "MRN", "70935518"),
        ("medical record no. TR-408116", "MRN", "TR-408116"),
        ("POST /patients/70935518/orders", "MRN", "70935518"),
        ("Policy # BX-20991-77 denied", "HEALTH_PLAN", "BX-20991-77"),
        ("Medicare 1EG4-TE5-MK72 oxygen", "HEALTH_PLAN", "1EG4-TE5-MK72"),
        ("insurance member no. QRS 771 508 226", "HEALTH_PLAN", "771 508 226"),
        ("Mastercard 5500 0055 5555 5559 twice", "ACCOUNT", "5500 0055 5555 5559"),
        ("account 61-770-2239 overdue", "ACCOUNT", "61-770-2239"),
        ("NPI 1730148829 rejected", "LICENSE", "1730148829"),
        ("her driver's license is K4471820", "LICENSE", "K4471820"),
        ("parked, plate GHT 8127", "VEHICLE", "GHT 8127"),
        ("VIN 2HGFG12648H541120 rollover", "VEHICLE", "2HGFG12648H541120"),
        ("BiPAP, S/N 55820017364", "DEVICE", "55820017364"),
        ("pacemaker serial PM8812773", "DEVICE", "PM8812773"),
        ("fingerprint ID FP-7731-R unread", "BIOMETRIC", "FP-7731-R"),
        ("see face_0314.png for the rash", "PHOTO", "face_0314.png"),
        ("Specimen 31K-77205 grew MRSA", "OTHER_ID", "31K-77205"),
        ("user=kpetersen opened it", "OTHER_ID", "kpetersen"),
        ("labs for (QX-998877) pending", "OTHER_ID", "QX-998877"),
        ("what about 90417265?", "OTHER_ID", "90417265"),
        ("the token [NAME_1] was typed", "OTHER_ID", "[NAME_1]"),
    ],
)
def test_numbers_given_to_a_person_or_thing(text: str, label: str, value: str) -> None:
    assert found(text) == [(label, value)]


@pytest.mark.parametrize(
    "text",
    [
        "BNP 1840, platelets 150000, WBC 12,000, ferritin 2300",
        "NCT01234567 and PMID 12345678, doi 10.1056/NEJMoa1409077",
        "ICD-10 E11.9, CPT 99213, LOINC 2345-7, rs429358",
        "BMS-986165 or AZD9291; KRAS G12C; HLA-B27; COVID-19; CTLA-4",
        "vitamin D 50000 units weekly; 1200000 units penicillin",
        "plan 10 mg for 3 days, group 2, case 4, order 2 units",
    ],
)
def test_lab_values_codes_and_drug_names_stay(text: str) -> None:
    assert found(text) == []
