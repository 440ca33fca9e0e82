"""The table in its small form: the same pairs and words as the list it was made from, and nothing damaged is used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from chat.interactions import release, selftest
from chat.interactions.release import Damaged
from chat.interactions.table import Table
from chat.interactions.types import Severity

FULL = Path(__file__).parents[3] / "shared" / "data" / "drugs"


@pytest.fixture(scope="module")
def table() -> Table:
    return Table(release.shipped())


def listed(name: str) -> list[dict[str, Any]]:
    path = FULL / name
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_it_is_the_list_it_was_made_from_by_its_digest(table: Table) -> None:
    assert selftest.same_pairs(table)
    assert (table.pairs, len(table.drugs), len(table.classes)) == (36_310, 1_061, 156)
    assert table.severities == {
        Severity.CONTRAINDICATED: 2_139,
        Severity.MAJOR: 6_717,
        Severity.MODERATE: 8_854,
        Severity.MINOR: 18_600,
    }


def test_it_gives_every_row_of_the_list_again(table: Table) -> None:
    full = listed("interactions.jsonl")
    for mine, theirs in zip(table.rows(), full, strict=True):
        assert mine == theirs


def test_every_pair_of_the_onc_list_is_there_and_interrupts(table: Table) -> None:
    wanted = {(row["a"], row["b"], row["onc_row"]) for row in listed("onc_pairs.jsonl")}
    assert set(table.onc_pairs()) == wanted
    assert len(wanted) == 1_020
    for a, b, _ in wanted:
        found = table.interaction(b, a)
        assert found is not None
        assert found.severity.rank >= Severity.MAJOR.rank, (a, b)


def test_every_pair_names_a_source_a_mechanism_and_what_to_do(table: Table) -> None:
    for one in table.interactions():
        assert one.sources, one.pair
        assert all(source.name and source.ref for source in one.sources), one.pair
        assert one.mechanism, one.pair
        assert one.effect, one.pair
        assert one.management, one.pair
        assert "{" not in one.mechanism + one.effect + one.management, one.pair


def test_the_order_of_two_medicines_does_not_matter(table: Table) -> None:
    assert table.interaction("warfarin", "amiodarone") == table.interaction("amiodarone", "warfarin")
    assert table.interaction("warfarin", "warfarin") is None


def test_it_is_sound_and_a_lost_pair_is_noticed(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    assert selftest.failures(table) == ()
    seats = dict(table._seats)
    del seats[("clarithromycin", "simvastatin")]
    monkeypatch.setattr(table, "_seats", seats)
    assert "the number of pairs" in selftest.failures(table)
    assert "simvastatin with clarithromycin" in selftest.failures(table)


def test_packed_it_is_the_same_release_and_always_the_same_bytes() -> None:
    shipped = release.shipped()
    packed = shipped.packed()
    assert release.unpack(packed).sha256 == shipped.sha256
    assert release.unpack(packed).packed() == packed


@pytest.mark.parametrize("name", release.FILES)
def test_a_file_that_was_changed_is_not_used(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "release"
    shutil.copytree(release.SHIPPED, folder)
    (folder / name).write_bytes((folder / name).read_bytes() + b"\n")
    with pytest.raises(Damaged) as damaged:
        release.read(folder)
    assert name in damaged.value.reason


def test_what_is_no_release_is_refused_in_words(tmp_path: Path) -> None:
    for packed, words in ((b"", "not a ZIP"), (b"PK\x03\x04 nothing", "not a ZIP")):
        with pytest.raises(Damaged) as damaged:
            release.unpack(packed)
        assert words in damaged.value.reason
    with pytest.raises(Damaged) as damaged:
        release.read(tmp_path)
    assert damaged.value.reason == "manifest.json cannot be read."


def test_no_two_ingredients_share_a_name() -> None:
    by_name: dict[str, set[tuple[str, ...]]] = {}
    for row in release.shipped().rows("aliases.jsonl"):
        by_name.setdefault(row["alias"].lower(), set()).add(tuple(row["ids"]))
    assert not [name for name, owners in by_name.items() if len(owners) > 1]
