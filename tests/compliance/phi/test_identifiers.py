from __future__ import annotations

import pytest

from compliance.phi.detectors import identifiers, shapes
from tests.compliance.phi.found import found


@pytest.mark.parametrize(
    ("text", "label", "value"),
    [
        ("SSN: 518-44-7720 letter", "SSN", "518-44-7720"),
        ("his SSN is 518447720", "SSN", "518447720"),
        ("his social as 294 71 0836", "SSN", "294 71 0836"),
        ("last four 4471 name", "SSN", "4471"),
        ("SSN on file XXX-XX-4471", "SSN", "XXX-XX-4471"),
        ("mrn 88231904 eGFR 28", "MRN", "88231904"),
        ('{"mrn":"70935518"}', "MRN", "70935518"),
        ("medical record no. TR-408116", "MRN", "TR-408116"),
        ("his record number, I think 004-55-19", "MRN", "004-55-19"),
        ("55123 is the mrn", "MRN", "55123"),
        ("MRN for the man in bed two is 55123", "MRN", "55123"),
        ("hospital no. WX 304 118", "MRN", "WX 304 118"),
        ("patient_id=5512&x", "MRN", "5512"),
        ("Policy # BX-20991-77 denied", "HEALTH_PLAN", "BX-20991-77"),
        ("Medicare 1EG4-TE5-MK72 oxygen", "HEALTH_PLAN", "1EG4-TE5-MK72"),
        ("the card says 3HN7 WD2 QX58", "HEALTH_PLAN", "3HN7 WD2 QX58"),
        ("insurance card number A 418 220 957", "HEALTH_PLAN", "A 418 220 957"),
        ("Mastercard 5500 0055 5555 5559 twice", "ACCOUNT", "5500 0055 5555 5559"),
        ("pay GB82 WEST 1234 5698 7654 32", "ACCOUNT", "GB82 WEST 1234 5698 7654 32"),
        ("account 61-770-2239 overdue", "ACCOUNT", "61-770-2239"),
        ("NPI 1730148829 rejected", "LICENSE", "1730148829"),
        ("DEA# FS 0183372", "LICENSE", "FS 0183372"),
        ("her driver's license is K4471820", "LICENSE", "K4471820"),
        ("parked, plate GHT 8127", "VEHICLE", "GHT 8127"),
        ("Car outside is BD51 SMR", "VEHICLE", "BD51 SMR"),
        ("VIN 2HGFG12648H541120 rollover", "VEHICLE", "2HGFG12648H541120"),
        ("BiPAP, S/N 55820017364", "DEVICE", "55820017364"),
        ("sn of the transmitter 8QX1PZ", "DEVICE", "8QX1PZ"),
        ("vaccine lot 9KT4J exp", "DEVICE", "9KT4J"),
        ("hip (01)00817736204419(17)261130(21)009812", "DEVICE", "(01)00817736204419(17)261130(21)009812"),
        ("unit W0382 24 117903 half in", "DEVICE", "W0382 24 117903"),
        ("fingerprint ID FP-7731-R unread", "BIOMETRIC", "FP-7731-R"),
        ("see face_0314.png for the rash", "PHOTO", "face_0314.png"),
        ("heard on voice_note2.m4a", "PHOTO", "voice_note2.m4a"),
        ("Specimen 31K-77205 grew MRSA", "OTHER_ID", "31K-77205"),
        ("biopsy is S24-19903, not", "OTHER_ID", "S24-19903"),
        ("Complaint ref PALS/0417/24", "OTHER_ID", "PALS/0417/24"),
        ("conf# QK7R2M, out of", "OTHER_ID", "QK7R2M"),
        ("docket 24-CV-00912 set", "OTHER_ID", "24-CV-00912"),
        ("user=kp4471 opened it", "OTHER_ID", "kp4471"),
        ("my login is ms3_aguirre", "OTHER_ID", "ms3_aguirre"),
        ("handle is @pumpgirl_1998", "OTHER_ID", "@pumpgirl_1998"),
        ("labs for (QX-998877) pending", "OTHER_ID", "QX-998877"),
        ("what about 90417265?", "OTHER_ID", "90417265"),
        ("H 6 1 4 4 0 9 2 8 he read", "OTHER_ID", "H 6 1 4 4 0 9 2 8"),
        ("id 550e8400-e29b-41d4-a716-446655440000", "OTHER_ID", "550e8400-e29b-41d4-a716-446655440000"),
        ("ankle monitor at 40.7993, -77.8600", "LOCATION", "40.7993, -77.8600"),
        ('{"id": "pt-5f09c2"}', "OTHER_ID", "pt-5f09c2"),
        ("see Patient/pt-5f09c2 for", "MRN", "pt-5f09c2"),
        ("Job ID 4471920 /bjw", "OTHER_ID", "bjw"),
        ("Leyba, Ambrosio #3307. Swap", "MRN", "3307"),
        ("sticker GS*882014 on it", "OTHER_ID", "GS*882014"),
        ("UNOS AJKL204 listed", "OTHER_ID", "AJKL204"),
        ("handicap placard DP 44810J expires", "VEHICLE", "DP 44810J"),
        ("white Camry 8LKJ203 outside", "VEHICLE", "8LKJ203"),
        ("Select Health 801994430-02 denied", "OTHER_ID", "801994430-02"),
        ("copay visa ending 4418 paid", "ACCOUNT", "4418"),
        ("account 30077-41982, again under 30077-41983", "ACCOUNT", "30077-41983"),
        ("passphrase is still bluebird77 there", "OTHER_ID", "bluebird77"),
        ("sender was gpatel2 - no", "OTHER_ID", "gpatel2"),
        ("read by tech KLP4, ok", "OTHER_ID", "KLP4"),
        ("shot Screen Shot 2024-02-08 at 7.14.33 PM.png", "PHOTO", "Screen Shot 2024-02-08 at 7.14.33 PM.png"),
        ("ssn 5 2 3 - 0 8 - 7 7 1 4 she", "SSN", "5 2 3 - 0 8 - 7 7 1 4"),
        ("typed [NAME-518-44-7720]", "SSN", "518-44-7720"),
        ("the token [NAME_1] was typed", "OTHER_ID", "[NAME_1]"),
    ],
)
def test_numbers_given_to_a_person_or_thing(text: str, label: str, value: str) -> None:
    assert (label, value) in found(text)


def test_numbers_known_by_their_column() -> None:
    text = "mrn,name,dob,payer_id\n771,Ames,1950-03-04,Q77\n\nNa 138, K 4, Cl 100\n138, 4, 100\n"
    assert [value for label, value in found(text) if label in ("MRN", "HEALTH_PLAN")] == ["771"]
    message = "PID|1||4471^^^KMRN^MR~533^^^X^PI||DOE^J\rPV1|1|I|||||||||||||||||V881"
    assert {("MRN", "4471"), ("MRN", "533"), ("MRN", "V881")} <= set(found(message))


@pytest.mark.parametrize(
    "text",
    [
        "BNP 1840, platelets 150000, WBC 12,000, ferritin 2300, 4,812 PVCs, n=18624",
        "NCT01234567 and PMID 12345678, doi 10.1056/NEJMoa1409077, trial NCT04817722",
        "ICD-10 E11.9, dx I48.91, CPT 99213, 99214-25 plus 20610-RT and J3301, LOINC 2345-7, NDC 0173-0682-20",
        "rs429358, NM_000546.6, c.942+3A>T, p.Val600Glu, HLA-B*57:01, CYP2D6, LINC00339, IL_6",
        "BMS-986165, AZD9291, SAR425899, GS-441524; KRAS G12C; COVID-19; CTLA-4; KEYNOTE-189; CHECKMATE-227",
        "vitamin D 50000 units weekly; 1200000 units penicillin; 100-200-300 mg; last 4 weeks",
        "plan 10 mg for 3 days, group 2, case 4, order 2 units, visit 99213, claim 99214, unit 2, lead V4R",
        "lot of 1000 patients, chart reviewed 2019, pump rate 125, pacemaker implanted 2019, case 2 of 5",
        "AC/VC 16/420/40%/8, 14-19-61, 0.5-1-1.5-2, 21G x 1.5, 14 Fr, 95% CI 0.73-0.87",
        "the user manual, users should, user interface, blood_pressure, guideline.pdf",
    ],
)
def test_lab_values_codes_and_drug_names_stay(text: str) -> None:
    assert [value for label, value in found(text) if label not in ("NAME", "LOCATION", "FACILITY")] == []


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (shapes.luhn, "4111 1111 1111 1111", "4111 1111 1111 1112"),
        (shapes.npi, "1234567893", "1234567890"),
        (shapes.dea, "AB1234563", "AB1234564"),
        (shapes.iban, "GB82 WEST 1234 5698 7654 32", "GB82 WEST 1234 5698 7654 33"),
        (shapes.nhs, "943 476 5919", "943 476 5918"),
    ],
)
def test_check_digits(check: object, right: str, wrong: str) -> None:
    assert callable(check)
    assert check(right)
    assert not check(wrong)


def test_a_text_without_digits_costs_little() -> None:
    assert list(identifiers.detect("no numbers here")) == []
