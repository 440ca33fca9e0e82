"""Named houses in every form; wards, departments, authorities and societies stay."""

from __future__ import annotations

import pytest

from tests.compliance.phi.test_places import places


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("transferred from St. Brendan's Hospital overnight", "St. Brendan's Hospital"),
        ("seen at Lakeview Regional for sepsis", "Lakeview Regional"),
        ("admitted to Geisinger with NSTEMI", "Geisinger"),
        ("Willow Bend Nursing Home outbreak", "Willow Bend Nursing Home"),
        ("bone marrow transplant at OHSU", "OHSU"),
        ("transferred from BIDMC on pressors", "BIDMC"),
        ("transferred from st lukes at 3 am", "st lukes"),
        ("ct at saint martin hospital was negative", "saint martin hospital"),
        ("Hospitalised Klinikum Ostertal in May", "Klinikum Ostertal"),
        ("followed at Hospital San Rafael", "Hospital San Rafael"),
        ("delivered at Our Lady of the Dunes", "Our Lady of the Dunes"),
        ("the Baker Pavilion", "Baker Pavilion"),
        ("Rushwater Dermatology called", "Rushwater Dermatology"),
        ("pt is at Four Winds High School", "Four Winds High School"),
        ("inmate at Pelican Bay State Prison", "Pelican Bay State Prison"),
        ("Jessup VA patient", "Jessup VA"),
        ("body to Oakwood Funeral Home", "Oakwood Funeral Home"),
        ("worked at Camp Lejeune", "Camp Lejeune"),
        ("LOC: BAD RIVER HEALTH & WELLNESS", "BAD RIVER HEALTH & WELLNESS"),
        ("dialysis at DaVita Riverbend", "DaVita Riverbend"),
        ("student at PS 118", "PS 118"),
        ("admitted to General Hospital on Monday", "General Hospital"),
        ("last shot at Valley View Clinic on Friday", "Valley View Clinic"),
        ("Rio Puerco Kidney Center chair 11", "Rio Puerco Kidney Center"),
        ("follows at Clinic for Special Children", "Clinic for Special Children"),
        ("Sent by Holy Name for NSTEMI", "Holy Name"),
        ("records from Children's of Omaha", "Children's of Omaha"),
        ("i work at north fork tribal health", "north fork tribal health"),
        ("arrested by Taney County Sheriff's Office", "Taney County Sheriff's Office"),
        ("Flown by LifeNet 7 today", "LifeNet 7"),
        ("ACCEPTED AT MEMORIAL HERMANN", "MEMORIAL HERMANN"),
        ("seen at Tri-County Urgent Care", "Tri-County Urgent Care"),
    ],
)
def test_a_named_house_is_masked(text: str, place: str) -> None:
    assert place in places(text)


def test_a_message_header_names_the_sending_and_the_receiving_house() -> None:
    assert places("MSH|^~\\&|EPICADT|KITSAPMED|LABSYS|KINGLAB|20231206") == ["KITSAPMED", "KINGLAB"]


@pytest.mark.parametrize(
    "text",
    [
        "Emergency Department care at our hospital; seen in ICU at Baseline",
        "from OSH with Hgb 6.2, transferred from outside hospital, referred to Cardiology and Wound Care",
        "Women's Health, Mental Health and Public Health; Pain Clinic; Pediatric Surgery",
        "FDA, CDC, WHO, NIH, Joint Commission, American Heart Association, Medicare, Medicaid",
        "National Institutes of Health, World Health Organization, American College of Cardiology",
        "the Walk-In Clinic, Follow-Up Clinic and Wound Care Center; Study Group, Treatment Group",
        "Mayo score 8, Johns Hopkins criteria, Duke criteria, St. John's wort, St. Jude valve",
        "blood-thinning drugs, siRNA-based drugs, to acute rehab, at local hospital",
    ],
)
def test_wards_authorities_and_named_criteria_stay(text: str) -> None:
    assert places(text) == []
