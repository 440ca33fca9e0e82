from __future__ import annotations

import pytest

from tests.compliance.phi.found import found


@pytest.mark.parametrize(
    ("text", "label", "value"),
    [
        ("lives at 2219 Birchwood Terrace Apt 4C, Tacoma, WA 98402", "LOCATION", None),
        ("he's from Spokane with a rash", "LOCATION", "Spokane"),
        ("farmer near Topeka with Q fever", "LOCATION", "Topeka"),
        ("resident of Marathon County", "LOCATION", "Marathon County"),
        ("ZIP 60629, lead 11", "LOCATION", "60629"),
        ("care in Duluth, MN since", "LOCATION", "Duluth, MN"),
        ("transferred from St. Brendan's Hospital overnight", "FACILITY", "St. Brendan's Hospital"),
        ("seen at Lakeview Regional for sepsis", "FACILITY", "Lakeview Regional"),
        ("admitted to Geisinger with NSTEMI", "FACILITY", "Geisinger"),
        ("Willow Bend Nursing Home outbreak", "FACILITY", "Willow Bend Nursing Home"),
        ("bone marrow transplant at OHSU", "FACILITY", "OHSU"),
        ("in room 412-B today", "ROOM", "412-B"),
        ("Bed 22 seizing", "ROOM", "22"),
    ],
)
def test_places_below_a_state(text: str, label: str, value: str | None) -> None:
    spans = found(text)
    assert [kind for kind, _ in spans] == [label]
    assert value is None or spans[0][1] == value
    assert value is not None or spans[0][1] == text.removeprefix("lives at ")


@pytest.mark.parametrize(
    "text",
    [
        "visiting from Brazil, lives in California, moved to Japan",
        "room air sats 88%, bed rest, ward round at 8",
        "Emergency Department care at our hospital; seen in ICU at Baseline",
        "Seattle protocol, Rotterdam criteria, Mayo score, Framingham risk",
        "West Nile virus, Rocky Mountain spotted fever, Lyme in New England",
        "Women's Health, Mental Health and Public Health",
    ],
)
def test_states_countries_wards_and_named_criteria_stay(text: str) -> None:
    assert found(text) == []
