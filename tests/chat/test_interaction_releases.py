"""Releases of the interaction table: proved before they are stored, compared, and applied in one step."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from chat import tasks
from chat.interactions import changes, current, lists, release, releases
from chat.interactions.release import FILES, MANIFEST, Damaged, Release
from chat.models import DrugTable, InteractionCheck
from compliance.models import AuditEvent, Notice
from tests import cast, remembering
from tests.chat import tables
from tests.chat import test_interaction_changes as changing
from tests.chat.test_interaction_changes import _table_of_this_test_alone, signed_in, text_of
from tests.processes import PATIENCE

__all__ = ["_table_of_this_test_alone"]  # a fixture
pytestmark = pytest.mark.django_db
PAGE = "/library/interactions/releases/"


@pytest.fixture(autouse=True)
def _proved_once() -> Iterator[None]:
    """What a release says is worked out once for all tests: it takes two seconds."""
    with remembering.tables():
        yield
    current._Seen.tables = {tables.shipped().release.sha256: tables.shipped()}


@pytest.fixture(autouse=True)
def _no_release(db: None) -> None:
    """Not even that of the migration: as where its tables were emptied."""
    DrugTable.objects.all().delete()


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    path = tmp_path / "next.zip"
    path.write_bytes(tables.next_one().packed())
    return path


@pytest.fixture
def waiting(packed: Path) -> DrugTable:
    """A later release beside the shipped one."""
    releases.offer_shipped()
    return releases.add(path=packed, by=cast.edith())


def apply(client: Client, row: DrugTable, *, seen: str | None = None) -> str:
    used = releases.in_use()
    seen = (used.sha256 if used else "") if seen is None else seen
    return text_of(client.post(f"{PAGE}{row.pk}/apply/", {"digest": seen}, follow=True))


def severity_now(pair: tuple[str, str]) -> str:
    return changing.severity_now(pair)


# ── Taking in ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_shipped_release_is_in_use_and_a_later_one_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks.offer_interaction_table()
    row = DrugTable.objects.get()
    assert (row.version, row.in_use, row.added_by, row.report) == (release.shipped().version, True, None, {})
    assert releases.offer_shipped() is None, "it is there"
    cast.edith()
    new = tables.next_one()
    monkeypatch.setattr(release, "shipped", lambda: new)
    tasks.offer_interaction_table()
    later = DrugTable.objects.get(version="2027.02.01")
    assert not later.in_use
    assert severity_now(tables.MAJOR) == "major", "a new image changes nothing by itself"
    assert Notice.objects.get(user=cast.edith()).url == later.get_absolute_url()


def test_a_folder_and_a_packed_file_are_the_same_release(tmp_path: Path, packed: Path) -> None:
    for name in (MANIFEST, *FILES):
        (tmp_path / name).write_bytes(tables.next_one().files[name])
    row = releases.add(path=tmp_path, by=None)
    with pytest.raises(releases.AlreadyThere) as there:
        releases.add(path=packed, by=None)
    assert there.value.row == row
    assert remembering.table(release.unpack(bytes(row.packed))).interaction(*tables.lone()) is None


def test_two_releases_do_not_share_a_version(waiting: DrugTable, tmp_path: Path) -> None:
    other = tables.sealed(dict(release.shipped().files), "2027.02.01", {})
    (tmp_path / "other.zip").write_bytes(other.packed())
    with pytest.raises(releases.VersionTaken):
        releases.add(path=tmp_path / "other.zip", by=None)


def files(**other: bytes | None) -> dict[str, bytes]:
    found = {name.replace(".", "_"): data for name, data in tables.next_one().files.items()} | other
    names = {name.replace(".", "_"): name for name in (MANIFEST, *FILES)}
    return {names[name]: data for name, data in found.items() if data is not None}


def torn(data: bytes) -> bytes:
    """With other bytes in the midst of a compressed file."""
    for at in range(3000, len(data) - 3000, len(data) // 50):  # wherever it is torn
        with pytest.raises(Damaged):
            release.unpack(data[:at] + bytes(40) + data[at + 40 :])
    return data[:3000] + bytes(40) + data[3040:]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lambda: b"", "The file is not a ZIP file of a release."),
        (lambda: b"PK\x03\x04 no", "The file is not a ZIP file of a release."),
        (lambda: tables.next_one().packed()[:-2000], "The file is not a ZIP file of a release."),
        (lambda: torn(tables.next_one().packed()), "The file is not a ZIP file of a release."),
        (lambda: tables.packed(files(rules_jsonl=None)), "The file lacks rules.jsonl."),
        (lambda: tables.packed(files(manifest_json=b"{}")), "manifest.json is not the manifest of a release."),
        (lambda: tables.packed(files(manifest_json=b"[" * 9)), "manifest.json is not the manifest of a release."),
        (lambda: tables.packed(files(ndfrt_txt=b"a\tb\n")), "ndfrt.txt is not what manifest.json says"),
        (lambda: b"x" * (16 * 1024**2 + 1), "The file is larger than 16 MB."),
    ],
    ids=["empty", "no-zip", "cut-off", "torn", "file-missing", "no-manifest", "not-json", "other-bytes", "too-large"],
)
def test_a_damaged_file_is_refused_with_its_reason(tmp_path: Path, content: Any, reason: str) -> None:
    (tmp_path / "r.zip").write_bytes(content())
    with pytest.raises(Damaged) as damaged:
        releases.add(path=tmp_path / "r.zip", by=None)
    assert damaged.value.reason.startswith(reason)
    assert not DrugTable.objects.exists()


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing.zip"):
        with pytest.raises(Damaged):
            releases.add(path=path, by=None)


def test_right_checksums_are_not_enough(tmp_path: Path) -> None:
    path = tmp_path / "r.zip"
    path.write_bytes(tables.changed("1", severities={tables.MAJOR: "minor"}).packed())
    with pytest.raises(releases.Unsound) as unsound:
        releases.add(path=path, by=None)
    assert "warfarin with amiodarone" in unsound.value.failed
    wrong = tables.changed("2", manifest={"pairs": {"sha256": "0" * 64}})
    path.write_bytes(wrong.packed())
    with pytest.raises(releases.Unsound) as unsound:
        releases.add(path=path, by=None)
    assert unsound.value.failed == (releases.WRONG_PAIRS,)
    assert not DrugTable.objects.exists()


@pytest.mark.parametrize(
    "broken",
    [
        {"findings.jsonl": b'{"rules": ["nothing"], "severity": "major"}\n'},
        {"drugs.jsonl": b"[]\n"},
        {"rules.jsonl": b"7"},
    ],
    ids=["findings", "drugs", "rules"],
)
def test_files_that_contradict_each_other_are_damaged(broken: dict[str, bytes]) -> None:
    for manifest in (release.shipped().manifest, {**release.shipped().manifest, "pairs": {}}):
        with pytest.raises(Damaged):
            releases.proved(Release(manifest, {**release.shipped().files, **broken}, "0"))
    wrongs: tuple[dict[str, Any], ...] = ({"pairs": {}}, {"source_dates": {"FDA labels": "lately"}})
    for number, wrong in enumerate(wrongs):
        with pytest.raises(Damaged):
            releases.proved(
                Release({**release.shipped().manifest, **wrong}, release.shipped().files, f"wrong {number}")
            )


# ── The report ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_report_says_what_would_change(waiting: DrugTable) -> None:
    report = releases.report(waiting)
    assert report["against"] == "2026.11.21"
    named = {key: [(one["a"], one["b"]) for one in report[key]["examples"]] for key in ("raised", "lowered", "removed")}
    assert {key: report[key]["count"] for key in ("added", "removed", "raised", "lowered")} == {
        "added": 1,
        "removed": 1,
        "raised": 1,
        "lowered": 1,
    }
    assert named["raised"] == [tables.MAJOR]
    assert named["removed"] == [tables.lone()]
    assert report["added"]["interruptive"] == 0, "a pair that does not interrupt is counted alone"
    assert report["medicines"]["covered"]["count"] == 1
    assert {"name": "ANSM thesaurus", "before": "2020-10", "after": "2026-09"} in report["sources"]
    assert report["local"] == []


def test_the_page_shows_it_with_the_local_changes_it_concerns(waiting: DrugTable) -> None:
    change = changing.proposed()
    page = text_of(signed_in(cast.edith).get(waiting.get_absolute_url()))
    for words in (
        "What it would change",
        "Severity lowered: 1",
        "Pairs no longer in the table: 1",
        "Newly covered: 1 medicine",
        "2026-09",
        "The table then says the same",
        "Apply version 2027.02.01",
        waiting.sha256,
    ):
        assert words in page
    assert change.get_absolute_url() in page


def test_long_lists_are_cut_and_counted(waiting: DrugTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.interactions.release_report.SHOWN", 0)
    part = releases.report(waiting)["raised"]
    assert (part["count"], part["interruptive"], part["examples"]) == (1, 1, [])
    assert "… and 1 more" not in text_of(signed_in(cast.edith).get(waiting.get_absolute_url())), "nothing is named"


# ── Applying ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_release_is_applied_and_an_earlier_one_again(
    waiting: DrugTable, django_capture_on_commit_callbacks: Any
) -> None:
    first = DrugTable.objects.get(in_use=True)
    edith = signed_in(cast.edith)
    with django_capture_on_commit_callbacks(execute=True):
        assert "Version 2027.02.01 is in use, within a second." in apply(edith, waiting)
    waiting.refresh_from_db()
    assert (waiting.in_use, waiting.applied_by) == (True, cast.edith())
    assert waiting.report["raised"]["count"] == 1
    assert current.current().table.version == "2027.02.01"
    assert severity_now(tables.MAJOR) == "contraindicated"
    notice = Notice.objects.get(title="The interaction table changed")
    assert notice.user == cast.edith()
    assert "1 added, 1 removed, 1 raised, 1 lowered" in notice.text
    assert "What it changed" in text_of(edith.get(waiting.get_absolute_url()))

    page = text_of(edith.get(first.get_absolute_url()))
    assert "Go back to this release" in page
    assert "Version 2026.11.21 is in use" in apply(edith, first)
    assert list(DrugTable.objects.filter(in_use=True)) == [first]
    assert severity_now(tables.MAJOR) == "major"
    assert "It is in use already." in apply(edith, first)
    found = AuditEvent.objects.filter(object_type="chat.DrugTable", object_id=str(first.pk), action="U")
    assert found.filter(actor_name=cast.edith().name).count() == 2, "it was left and taken again"


def test_a_report_that_is_no_longer_of_now_does_not_apply(waiting: DrugTable) -> None:
    edith, first = signed_in(cast.edith), DrugTable.objects.get(in_use=True)
    assert f'name="digest" value="{first.sha256}"' in text_of(edith.get(waiting.get_absolute_url()))
    assert "Another release came into use meanwhile." in apply(edith, waiting, seen="0" * 64)
    assert DrugTable.objects.get(in_use=True) == first


def test_without_a_row_the_release_of_the_image_is_what_is_replaced(packed: Path) -> None:
    row = releases.add(path=packed, by=None)
    assert row.report["raised"]["count"] == 1
    assert "is in use, within a second" in apply(signed_in(cast.edith), row, seen="")


def test_damaged_in_the_database_it_is_not_applied(waiting: DrugTable) -> None:
    DrugTable.objects.filter(pk=waiting.pk).update(packed=b"PK nothing")
    releases._outline.cache_clear()
    edith = signed_in(cast.edith)
    assert "Its files are damaged" in text_of(edith.get(waiting.get_absolute_url()))
    assert "the release is damaged and cannot be used" in apply(edith, waiting)
    assert DrugTable.objects.get(in_use=True).version == "2026.11.21"


def test_a_damaged_one_in_use_is_replaced(waiting: DrugTable) -> None:
    edith = signed_in(cast.edith)
    apply(edith, waiting)
    DrugTable.objects.filter(pk=waiting.pk).update(packed=b"PK nothing")
    releases._outline.cache_clear()
    earlier = DrugTable.objects.exclude(pk=waiting.pk).get()
    page = text_of(edith.get(earlier.get_absolute_url()))
    assert "the release in use is damaged" in page
    assert "Go back to version" in page
    apply(edith, earlier)
    assert DrugTable.objects.get(in_use=True) == earlier


def test_local_changes_stay_in_force_and_the_list_says_what_moved(waiting: DrugTable) -> None:
    kept = changing.approved()
    lost = changing.approved(changing.pair(tables.lone(), "moderate"))
    releases.apply(table_id=waiting.pk, by=None, seen=tables.shipped().release.sha256)
    current.forget()
    page = text_of(signed_in(cast.edith).get("/library/interactions/"))
    assert "The table says the same by now" in page
    assert "The table lost the pair: no words left" in page
    assert "can be ended without a difference" in text_of(signed_in(cast.dora).get(kept.get_absolute_url()))
    assert "propose the pair with its own words" in text_of(signed_in(cast.dora).get(lost.get_absolute_url()))
    assert not changes.warns_more(kept, current.current().table)


def test_checks_that_were_made_stay_as_they_were_shown(waiting: DrugTable) -> None:
    made = lists.check(lists.read("warfarin, amiodarone"), where=InteractionCheck.Where.PAGE, by=cast.alice())
    releases.apply(table_id=waiting.pk, by=None, seen=tables.shipped().release.sha256)
    made.refresh_from_db()
    assert (made.table, made.result["found"][0]["severity"]) == ("2026.11.21", "major")


@pytest.mark.django_db(transaction=True)
def test_of_two_who_apply_at_once_one_does(waiting: DrugTable, tmp_path: Path) -> None:
    third = tables.sealed(dict(tables.next_one().files), "2027.03.01", {})
    (tmp_path / "third.zip").write_bytes(third.packed())
    other = releases.add(path=tmp_path / "third.zip", by=None)
    seen, outcomes, start = tables.shipped().release.sha256, [], threading.Barrier(2)
    edith = cast.edith()

    def run(row: DrugTable) -> None:
        try:
            start.wait(PATIENCE)
            releases.apply(table_id=row.pk, by=edith, seen=seen)
            outcomes.append("done")
        except releases.Overtaken:
            outcomes.append("late")
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(row,)) for row in (waiting, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done", "late"]
    assert DrugTable.objects.filter(in_use=True).count() == 1


# ── Who, and the limits ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("person", ["dora", "carol", "otto", "audra", "ada"])
def test_who_reads_sees_releases_and_applies_none(waiting: DrugTable, person: str) -> None:
    client = signed_in(getattr(cast, person))
    assert "2027.02.01" in text_of(client.get(PAGE))
    page = text_of(client.get(waiting.get_absolute_url()))
    assert "A knowledge editor applies it." in page
    assert client.post(f"{PAGE}{waiting.pk}/apply/", {"digest": ""}).status_code == 403


@pytest.mark.parametrize("person", ["alice", "pat", "sam", "mallory"])
def test_others_do_not_get_in(waiting: DrugTable, person: str) -> None:
    client = signed_in(getattr(cast, person))
    assert client.get(PAGE).status_code == 403
    assert client.get(waiting.get_absolute_url()).status_code == 403


def test_the_limits_of_the_table_are_shown_in_its_own_numbers() -> None:
    page = text_of(signed_in(cast.otto).get(PAGE))
    lacking = [drug for drug in tables.shipped().drugs.values() if not drug.covered]
    common = [drug.name for drug in lacking if drug.common]
    assert "No pharmacist has reviewed it yet." in page
    assert f"{len(lacking)} of 1,061 medicines are not covered" in page
    assert f"{len(common)} of those are common ones" in page
    assert all(name in page for name in common)
    assert "ONC high-priority list (2012)" in page
    assert "The table that came with ClinChat is in use." in page


def test_without_a_usable_table_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise current.Unavailable

    monkeypatch.setattr("chat.interactions.current.current", gone)
    assert "no medicines are checked" in text_of(signed_in(cast.edith).get(PAGE))
