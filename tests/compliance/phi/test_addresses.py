"""Every written form of an address, postal code and position; doses, walks and scans beside them stay."""

from __future__ import annotations

import pytest

from tests.compliance.phi.test_places import places


@pytest.mark.parametrize(
    "address",
    [
        "2219 Birchwood Terrace Apt 4C, Tacoma, WA 98402",
        "2207 1/2 W. Harlan St apt 3R, Kettleby MN 55979-1142",
        "94-229 Farrington Hwy, Waipahu, HI 96797",
        "2140 Camino del Pueblo, Española, NM 87532",
        "512 Sycamore Terrace #2R, Bridgeton",
        "17 Tannery Row",
        "1410 elm st apt 3",
        "2210 N Halsted",
        "RR 2 Box 114, Hazard, KY 41701",
        "HC 61 Box 30, Salmon, ID 83467",
        "PO Box 88, Shiprock, NM 87420",
        "po box 1190 Dunmoor 38652",
        "Flat 9, Cobden House",
        "1600 block of Vine Street",
        "40.7993, -77.8600",
    ],
)
def test_an_address_is_masked_whole(address: str) -> None:
    assert places(f"Home visit at {address}.") == [address]


def test_an_address_over_two_lines_is_one() -> None:
    assert places("418 Plumas Blvd\nYuba City, CA 95991") == ["418 Plumas Blvd\nYuba City, CA 95991"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("ZIP 60629, lead 11", "60629"),
        ("postcode is TQ9 4XB", "TQ9 4XB"),
        ("lives alone on Pecan St", "Pecan St"),
        ("found down at the corner of 5th and Alvarado", "5th and Alvarado"),
        ("crash on Highway 99, driver belted", "Highway 99"),
        ("mile marker 112", "112"),
        ("still lives on Old Toll Circle", "Old Toll Circle"),
        ("SHOPPING ON EAST WOOD STREET TODAY", "EAST WOOD STREET"),
        ("guard on County Rd 226, key inside", "County Rd 226"),
        ("key with neighbor at #41", "#41"),
        ('{"city": "Crawford", "state": "GA"}', "Crawford"),
        ("rollover US-95 mm 88", "US-95 mm 88"),
        ("id,sex,zip,result\n7,F,58301,neg\n", "58301"),
    ],
)
def test_a_part_of_an_address_is_masked(text: str, place: str) -> None:
    assert place in places(text)


@pytest.mark.parametrize(
    "text",
    [
        "6 Minute Walk Test 240 m, 12 Lead ECG, 2 chest ct scans",
        "10 units way too high? 22 mg at 8, 4 st elevation",
        "I-131 ablation 100 mCi, route 2 of administration, 381 N Engl J Med",
        "on the right path, walked down the hallway on a new drive, K 7.1 CR 1.7",
        "OR 2.3 (95% CI 1.4-3.8), 40.7, 77.8 percent",
    ],
)
def test_numbers_of_the_clinic_are_no_addresses(text: str) -> None:
    assert places(text) == []
