"""manage.py drug_table: which release is in use, taking one in, applying it, and the hospital's changes as a file."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from chat.interactions import current, releases
from chat.models import DrugTable, LocalInteraction
from compliance.models import AuditEvent
from tests import cast
from tests.chat import tables
from tests.chat import test_interaction_changes as changing
from tests.chat.test_interaction_changes import _table_of_this_test_alone
from tests.chat.test_interaction_releases import _no_release, _proved_once, packed

__all__ = ["_no_release", "_proved_once", "_table_of_this_test_alone", "packed"]  # fixtures
pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = StringIO()
    call_command("drug_table", *words, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_status_says_what_is_in_use_and_its_limits() -> None:
    changing.approved()
    changing.proposed(changing.missing())
    current.forget()
    text = run("status")
    assert "Version 2026.11.21 is in use." in text
    assert "Changes of this hospital: 1 in force, 1 waiting." in text
    assert "no pharmacist has reviewed it yet" in text
    found = json.loads(run("status", "--json"))
    assert found["sha256"] == tables.shipped().release.sha256
    assert (found["pairs"], found["changes_in_force"], found["changes_waiting"]) == (36310, 1, 1)
    assert len(found["common_not_covered"]) == 24
    assert found["reviewed_by_pharmacist"] is False


def test_status_fails_where_no_table_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise current.Unavailable

    monkeypatch.setattr("chat.interactions.current.current", gone)
    with pytest.raises(CommandError, match="cannot be used"):
        run("status")


def test_a_release_is_added_read_and_applied(packed: Path) -> None:
    assert "is in use: it is the first" in run("add")
    assert "2026.11.21 is there already" in run("add")
    assert "Version 2027.02.01 was taken in." in run("add", str(packed))
    assert "2027.02.01 is there already" in run("add", str(packed))
    assert "waits" in run("list")
    report = run("apply", "2027.02.01", "--dry-run")
    assert "Compared with 2026.11.21: 36,310 pairs before, 36,310 after" in report
    assert "1 raised, 1 that interrupt:\n  amiodarone with warfarin: major, then contraindicated" in report
    assert "ANSM thesaurus: 2020-10, then 2026-09" in report
    assert DrugTable.objects.get(in_use=True).version == "2026.11.21"
    assert "Version 2027.02.01 is in use." in run("apply", "2027.02.01")
    assert "in use already" in run("apply", "2027.02.01")
    listed = {one["version"]: one["in_use"] for one in json.loads(run("list", "--json"))}
    assert listed == {"2027.02.01": True, "2026.11.21": False}
    run("apply", "2026.11.21")
    row = DrugTable.objects.get(in_use=True)
    assert (row.version, row.applied_by) == ("2026.11.21", None)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["add", "/nowhere/at/all.zip"], "Nothing was stored. The file cannot be read."),
        (["apply", "1999"], "There is no release of this version."),
        (["import", "/nowhere/at/all.json", "--by", "edith@clinchat.example"], "The file cannot be read"),
        (["import", "x.json", "--by", "alice@clinchat.example"], "Nobody with this e-mail address edits"),
        (["export", "/proc/nothing/x.json"], "The file cannot be written."),
    ],
    ids=["no-file", "no-version", "no-import", "no-editor", "no-folder"],
)
def test_what_cannot_be_done_says_why(words: list[str], says: str) -> None:
    cast.edith()
    cast.alice()
    with pytest.raises(CommandError, match=says):
        run(*words)


def test_an_unsound_release_names_what_failed(tmp_path: Path) -> None:
    path = tmp_path / "r.zip"
    path.write_bytes(tables.changed("3", severities={tables.MAJOR: "minor"}).packed())
    with pytest.raises(CommandError, match=r"fails its self-test: .*warfarin with amiodarone"):
        run("add", str(path))


def test_two_that_share_a_version_and_one_overtaken(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("add", str(packed))
    other = tables.sealed(dict(tables.shipped().release.files), "2027.02.01", {})
    packed.write_bytes(other.packed())
    with pytest.raises(CommandError, match="Another release with different files has this version"):
        run("add", str(packed))

    def late(**_: Any) -> None:
        raise releases.Overtaken

    monkeypatch.setattr(releases, "apply", late)
    with pytest.raises(CommandError, match="another release came into use at this moment"):
        run("apply", "2027.02.01")


def test_changes_are_exported_and_imported(tmp_path: Path) -> None:
    changing.approved()
    path = tmp_path / "changes.json"
    run("export", str(path))
    with pytest.raises(CommandError, match="The file exists already"):
        run("export", str(path))
    assert json.loads(run("export", "-"))["changes"][0]["b"] == "warfarin"
    assert "0 proposed, 1 skipped." in run("import", str(path), "--by", "EDITH@clinchat.example")
    LocalInteraction.objects.all().delete()
    assert "1 proposed, 0 skipped." in run("import", str(path), "--by", "edith@clinchat.example")
    assert LocalInteraction.objects.get().proposed_by == cast.edith()
    path.write_text("{}")
    with pytest.raises(CommandError, match=r"Nothing was proposed\.\nThe file is not an export"):
        run("import", str(path), "--by", "edith@clinchat.example")
    assert AuditEvent.objects.filter(object_type="chat.LocalInteraction", code="sensitive_create").exists()
