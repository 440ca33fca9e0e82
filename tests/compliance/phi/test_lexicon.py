"""The built word lists: what they know, and that no others are ever used."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from compliance import phi
from compliance.phi import lexicon as lists
from compliance.phi.lexicon import LexiconError, lexicon


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the built files, which the loader reads instead of them."""
    copy = tmp_path / "built"
    shutil.copytree(lists.BUILT, copy)
    monkeypatch.setattr(lists, "BUILT", copy)
    lexicon.cache_clear()
    yield copy
    lexicon.cache_clear()


def test_names_have_tiers_by_how_many_bear_them() -> None:
    known = lexicon()
    assert known.surname_tier("smith") == 7 > known.surname_tier("zamora") > known.surname_tier("aagesen") == 3
    assert known.given_tier("james") == 7 > known.given_tier("priya") >= 4
    assert known.surname_tier("metformin") == known.given_tier("metformin") == 0


def test_a_double_name_is_known_in_the_spelling_of_the_counts() -> None:
    known = lexicon()
    assert known.surname_tier("o'brien") == known.surname_tier("obrien") > 0
    assert known.given_tier("ji-hoon") == known.given_tier("jihoon") > 0


@pytest.mark.parametrize(
    ("given", "family"),
    [
        ("thuy", "huynh"),
        ("temitope", "oyelaran"),
        ("adaeze", "okonkwo"),
        ("harpreet", "dhillon"),
        ("selamawit", "gebremariam"),
        ("xiaoming", "ouyang"),
        ("oleksandr", "bondarenko"),
        ("leilani", "tuiasosopo"),
        ("dezba", "tsinajinnie"),
        ("habimana", "nkurunziza"),
        ("fatemeh", "tehrani"),
        ("meenakshi", "venkatesan"),
    ],
)
def test_names_of_the_world_are_known(given: str, family: str) -> None:
    assert lexicon().given_tier(given) > 0
    assert lexicon().surname_tier(family) > 0


def test_the_odds_tell_a_name_from_a_word() -> None:
    odds = lexicon().name_odds
    assert odds("will") < odds("may") < 1 < odds("rose") < odds("james") < odds("patel")
    assert odds("warfarin") == 0
    assert lexicon().word_tier("the") == 7 > lexicon().word_tier("rose") > lexicon().word_tier("lisinopril") == 0


def test_drugs_and_terms_are_told_from_names() -> None:
    known = lexicon()
    assert known.drug("lisinopril")
    assert known.drug("pred forte")
    assert known.medical_word("aortic")
    assert known.medical_word("salmonella")
    assert not known.medical_word("wilson")
    assert known.about("hashimoto").eponym
    assert known.medical_phrase(["west", "nile", "virus", "infection"]) == 4
    assert known.medical_phrase(["maria", "lopez", "has"]) == 0


def test_places_and_hospitals_are_known() -> None:
    known = lexicon()
    assert known.us_place("san francisco") == 6
    assert known.us_place("duluth") == 5
    assert known.world_city("nairobi") == 7
    assert known.us_county("los angeles")
    assert known.hospital_at(["mayo", "clinic"]) == 2
    assert known.hospital_at(["good", "samaritan", "hospital", "on"]) == 3
    assert known.hospital_at(["memorial", "hospital"]) == 0


def test_what_the_lists_are_built_of_is_in_them() -> None:
    """A word added to one of these needs `make lexicons`."""
    known = lexicon()
    assert {low for low in lists.own_words("given_world") if not known.given_tier(low)} == set()
    assert {low for low in lists.own_words("family_world") if not known.surname_tier(low)} == set()
    assert {
        low for low in lists.own_phrases("drugs") if " " not in low and low.isalpha() and not known.drug(low)
    } == set()


def test_every_file_has_its_hash() -> None:
    hashes = lists.hashes()
    lines = [line.split() for line in lists.MANIFEST.read_text().splitlines()]
    manifest = {name: digest for digest, name in lines}
    assert {name: hashes[f"built/{name}"] for name in manifest} == manifest
    assert hashes["lists/eponyms.txt"] == sha256((lists.HERE / "lists/eponyms.txt").read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["words.txt", "hospitals.txt"])
def test_one_changed_byte_makes_masking_unavailable(name: str, copied: Path) -> None:
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(LexiconError, match=f"{name} is not the one this version was built with. Run: make setup"):
        lexicon()
    with pytest.raises(phi.PhiUnavailable):
        phi.mask("Maria Lopez, BP 120/80")


def test_a_missing_file_makes_masking_unavailable_and_says_what_to_run(copied: Path) -> None:
    (copied / "words.txt").unlink()
    with pytest.raises(LexiconError, match=r"words\.txt is not there\. Run: make setup"):
        lexicon()
    with pytest.raises(phi.PhiUnavailable):
        phi.find("Maria Lopez, BP 120/80")


def test_the_files_as_they_were_built_are_read_again(copied: Path) -> None:
    assert lexicon().surname_tier("lopez") > 0
