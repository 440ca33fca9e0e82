"""Rooms and beds with and without the word; bed rest, room air, doses, ranges and grades stay."""

from __future__ import annotations

import pytest

from tests.compliance.phi.test_places import places


@pytest.mark.parametrize(
    ("text", "room"),
    [
        ("in room 412-B today", "412-B"),
        ("Bed 22 seizing", "22"),
        ("rm 4-102B wants pain meds", "4-102B"),
        ("SWALLOW EVAL RM 318 SILENT ASPIRATION", "318"),
        ("moved to room three for isolation", "three"),
        ("bed 7A-2 on bipap", "7A-2"),
        ("bed ICU-09 shows qtc 531", "ICU-09"),
        ("man in bay C: BP 84/46", "C"),
        ("needlestick in OR 6, source known", "6"),
        ("5 South 17 has candles", "5 South 17"),
        ("rm 6 East 14 hr 148", "6 East 14"),
        ("rm 2-118-B, fall risk", "2-118-B"),
        ("6E-17-A needs restraints", "6E-17-A"),
        ("pt in obs hallway 4, calm", "hallway 4"),
        ("pt in c14 wants water", "c14"),
        ("Doe / MRN 5501882 / N-412", "N-412"),
        ("going from ED 9 to 5013, sepsis", "5013"),
        ("april is in 614A when you get a sec", "614A"),
        ("bao is 510-A today", "510-A"),
        ("the pt in 14-2 is rigid", "14-2"),
        ("the lady in 6E-14 is confused", "6E-14"),
        ("pt MR in 4 needs MR brain", "4"),
        ("PICU 2 sitter\n", "PICU 2"),
        ("everyone on the 5th floor", "5th floor"),
        ("vent pt in 2217 plat 34", "2217"),
        ("PT IN 2217 PLATEAU 34", "2217"),
        ("bae / 40019283 / ICU-3 / pf 112", "ICU-3"),
        ("stepdown 22 k 2.9", "stepdown 22"),
        ("gib in tele 12 now hypotensive", "tele 12"),
        ("incubators N12 and N13", "N13"),
        ("the hip in 9, his brother", "9"),
        ("3108 Berry no fruit, 3110 Rice kosher", "3110"),
        ("rm 1204 bed D 20g", "D"),
        ("chair 11 tts", "11"),
        ("back to 614 after CT", "614"),
        ("transferred from bed 9 to bed 12", "9"),
        ("PV1|1|I|3MED^3117^A^KMC|ER", "3117^A"),
    ],
)
def test_a_room_or_bed_is_masked(text: str, room: str) -> None:
    assert room in places(text)


@pytest.mark.parametrize(
    "text",
    [
        "room air sats 88%, bed rest, ward round at 8, bed alarm on",
        "POD 2 s/p lap chole, on the floor, on 4 West, step-down or ICU",
        "2 units PRBC, unit 2 of platelets, 4 units insulin",
        "in 3-5 days, in 24h, in 2 weeks, 2 L NC, in 12 patients",
        "stage in 3B, CKD stage 3B, grade 4B, type 3C, schedule in 2A",
        "OR 2.3 for mortality; HR 0.8; 1 in 5 risk; 16-14 mmHg",
        "metoprolol ER 50 daily, 4 OR 6 mg, seen in ICU 3 days ago, TRAUMA 3 weeks ago",
        "the increase in 20, the rise in 3; the drop in BP in 5; exon in 19, pt in 2019",
        "stations of lymph nodes; fell from 3rd floor of a house; 12F, Boston brace; 4T score 2",
    ],
)
def test_counts_ranges_and_wards_are_no_rooms(text: str) -> None:
    assert places(text) == []
