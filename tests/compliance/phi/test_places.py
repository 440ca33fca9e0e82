"""Towns, counties and what lies in them; states, countries and the places that medicine has taken over stay."""

from __future__ import annotations

import pytest

from tests.compliance.phi.found import found

PLACES = {"LOCATION", "FACILITY", "ROOM"}


def places(text: str) -> list[str]:
    return [value for label, value in found(text) if label in PLACES]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("he's from Spokane with a rash", "Spokane"),
        ("farmer near Topeka with Q fever", "Topeka"),
        ("lives in pawtucket with her aunt", "pawtucket"),
        ("69f w mets breast ca, lives pahrump", "pahrump"),
        ("PT RESIDES IN WILKES-BARRE", "WILKES-BARRE"),
        ("she drove in from Ottumwa this morning", "Ottumwa"),
        ("a rancher from just outside of Bozeman", "Bozeman"),
        ("moved here from Ulaanbaatar, PPD 18 mm", "Ulaanbaatar"),
        ("born in Ballycarrow", "Ballycarrow"),
        ("care in Duluth, MN since", "Duluth, MN"),
        ("an old friend in Pawtucket, Rhode Island", "Pawtucket, Rhode Island"),
        ("resident of Marathon County", "Marathon County"),
        ("rural owsley county", "owsley county"),
        ("from St. Landry Parish", "St. Landry Parish"),
        ("from the Wind River Reservation", "Wind River Reservation"),
        ("swam in Lake Havasu last week", "Lake Havasu"),
        ("ISLAND: MOLOKAI", "MOLOKAI"),
        ("We come from Dharamshala to the city", "Dharamshala"),
        ("Chickasha is where the pt works", "Chickasha"),
    ],
)
def test_a_place_below_a_state_is_masked(text: str, place: str) -> None:
    assert place in places(text)


@pytest.mark.parametrize(
    ("text", "towns"),
    [
        ("flew Kinshasa - Addis Ababa - Frankfurt", ["Kinshasa", "Addis Ababa", "Frankfurt"]),
        ("I flew Manila to Doha to Manchester", ["Manila", "Doha", "Manchester"]),
        ("kabul → fremont 2 mo ago", ["kabul", "fremont"]),
    ],
)
def test_every_town_of_a_journey_is_masked(text: str, towns: list[str]) -> None:
    assert [value for _, value in found(text)] == towns


def test_an_airport_is_masked_where_somebody_flies() -> None:
    assert places("landed at SFO, layover in ORD") == ["SFO", "ORD"]


@pytest.mark.parametrize(
    "text",
    [
        "visiting from Brazil, lives in California, moved to Japan",
        "lives in North Carolina, travel to Southeast Asia and the Pacific Northwest",
        "Rotterdam criteria, Milan criteria, Ann Arbor stage IIB, Los Angeles grade C esophagitis",
        "Edinburgh 13, Bristol stool type 6, Vancouver B2 fracture, Philadelphia chromosome",
        "Cincinnati stroke scale, Montreal cognitive assessment, Kansas City cardiomyopathy questionnaire",
        "Salmonella Newport, factor V Leiden, Brussels sprouts, Norwalk virus, Marburg virus",
        "West Nile virus, Rocky Mountain spotted fever, St. Louis encephalitis, San Joaquin Valley fever",
        "lives in a group home, moved to hospice, came from radiology, back from dialysis",
    ],
)
def test_regions_and_the_places_of_medicine_stay(text: str) -> None:
    assert places(text) == []
