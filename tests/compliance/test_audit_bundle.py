"""A bundle proves its events on a machine without ClinChat."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import sys
import zipfile
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from clinchat.lib import clock
from compliance import audit
from compliance.audit import bundle, export, search
from compliance.audit.search import EventFilter
from compliance.models import AuditPurge, SealedEvent
from tests import cast
from tests.compliance.bundles import (
    SEALS,
    STANDALONE,
    Outsider,
    Verify,
    contents,
    joined,
    lines,
    make_bundle,
    make_trail,
    packed_again,
    record,
)
from tests.compliance.sealed_trail import sql, triggers_off

database = pytest.mark.django_db(transaction=True)


# ── What an outsider sees ──────────────────────────────────────────────────────────────────────────────────────


def test_zip_verifies_on_a_machine_without_clinchat(zipped: Path, outsider: Outsider, key: Path) -> None:
    code, said = outsider.run(zipped, "--key", key)
    assert code == 0, said
    events = len(lines(contents(zipped)["events.jsonl"]))
    assert f"Events       {events}, of them {events} asked for; 0 were not sealed yet" in said
    assert "Complete     everything these seals hold from the beginning until" in said
    assert f"Checkpoints  {len(SEALS) + 1} of the bundle agree" in said
    assert "VERIFIED with the key given." in said


def test_unpacked_folder_verifies_with_what_is_in_it(zipped: Path, outsider: Outsider, key: Path) -> None:
    folder = outsider.folder / "unpacked"
    with zipfile.ZipFile(zipped) as packed:
        packed.extractall(folder)
    assert outsider.run(script=str(folder / "verify.py"))[0] == 0
    assert outsider.run(folder, "--key", key)[0] == 0
    assert sorted(path.name for path in folder.iterdir()) == sorted([*bundle.NAMES, "SHA256SUMS"]), "nothing is written"


def test_key_inside_the_bundle_is_told_to_prove_little(zipped: Path, outsider: Outsider) -> None:
    code, said = outsider.run(zipped)
    assert code == 0
    assert "VERIFIED, but with the key inside the bundle, which proves only\nthat it agrees with itself." in said


def test_help_says_how_to_use_it(outsider: Outsider) -> None:
    code, said = outsider.run("--help")
    assert code == 0
    assert "--key" in said
    assert "0: everything fits. 1: something does not. 2: it could not be checked." in " ".join(said.split())


def test_verifier_needs_nothing_but_python_3_9() -> None:
    for name in ("verify.py", "ed25519.py"):
        source = (STANDALONE / name).read_text()
        tree = ast.parse(source, feature_version=(3, 9))
        imported = {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        imported |= {str(n.module).split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        assert imported <= {*sys.stdlib_module_names, "ed25519"}


def test_files_are_those_the_verifier_and_the_format_name(zipped: Path, verifier: ModuleType) -> None:
    assert [*bundle.NAMES, "SHA256SUMS"] == verifier.NAMES
    assert sorted(contents(zipped)) == sorted(verifier.NAMES)
    text = (STANDALONE / "FORMAT.md").read_text()
    assert all(f"`{name}`" in text for name in verifier.NAMES)
    files = contents(zipped)
    keys = {*json.loads(files["manifest.json"]), *lines(files["events.jsonl"])[0], *lines(files["seals.jsonl"])[0]}
    keys |= {*json.loads(lines(files["seals.jsonl"])[0]["statement"])}
    keys |= {*json.loads(lines(files["events.jsonl"])[0]["canonical"])}
    assert not [key for key in keys if f"`{key}`" not in text], "every key is described"


def test_another_verifier_written_from_the_format_agrees(zipped: Path) -> None:
    """Another way to the same: recursion over whole seals instead of paths, the library instead of ed25519.py."""
    files = contents(zipped)
    keys = [base64.b64decode(line) for line in files["public_keys.txt"].splitlines()]
    by_id = {hashlib.sha256(key).hexdigest()[:16]: Ed25519PublicKey.from_public_bytes(key) for key in keys}
    leaves: dict[int, list[bytes]] = {}
    for number, event in enumerate(lines(files["events.jsonl"]), 1):
        assert event["position"] == number
        leaves.setdefault(event["seal"], []).append(hashlib.sha256(b"\x00" + event["canonical"].encode()).digest())
    previous = "0" * 64
    for number, row in enumerate(lines(files["seals.jsonl"]), 1):
        statement = json.loads(row["statement"])
        by_id[row["key"]].verify(bytes.fromhex(row["signature"]), row["statement"].encode())
        assert (statement["number"], statement["size"]) == (number, len(leaves[number]))
        assert statement["previous"] == previous
        assert _root(leaves[number]).hex() == statement["root"]
        previous = hashlib.sha256(row["statement"].encode()).hexdigest()


def _root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + _root(leaves[:split]) + _root(leaves[split:])).digest()


@database
def test_bytes_are_those_of_the_database(trail: None, tmp_path: Path) -> None:
    make_bundle(tmp_path / "all.zip")
    for row in lines(contents(tmp_path / "all.zip")["events.jsonl"]):
        event = audit.AuditEvent.objects.get(pk=json.loads(row["canonical"])["id"])
        assert row["canonical"].encode() == bytes(event.canonical)


@database
def test_same_trail_gives_the_same_bundle(trail: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = clock.now()
    monkeypatch.setattr(clock, "now", lambda: moment)
    planned = bundle.plan(EventFilter())
    assert planned is not None
    for name in ("one.zip", "two.zip"):
        with (tmp_path / name).open("w+b") as file:
            bundle.write(planned, file)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


# ── What is in a bundle ────────────────────────────────────────────────────────────────────────────────────────


@database
def test_selection_has_its_events_and_their_seals_only(trail: None, tmp_path: Path, verify: Verify, key: Path) -> None:
    path = tmp_path / "denied.zip"
    written = make_bundle(path, EventFilter(outcome="denied"))
    code, said = verify(path, "--key", key)
    assert code == 0, said
    files = contents(path)
    events = [json.loads(row["canonical"]) for row in lines(files["events.jsonl"])]
    assert len(events) == written.events == sum(1 for size in SEALS for n in range(size) if n % 5 == 0)
    assert {event["outcome"] for event in events} == {"denied"}
    assert {row["seal"] for row in lines(files["events.jsonl"])} == {2, 3, 4, 5}
    assert len(lines(files["seals.jsonl"])) == 4
    assert json.loads(files["manifest.json"])["complete"] is None
    assert "Complete     cannot be told" in said


@database
def test_seal_without_its_events_is_found_in_a_selection(
    trail: None, tmp_path: Path, verify: Verify, key: Path
) -> None:
    path = tmp_path / "denied.zip"
    make_bundle(path, EventFilter(outcome="denied"))
    files = contents(path)
    files["events.jsonl"] = joined([row for row in lines(files["events.jsonl"]) if row["seal"] != 3])
    code, said = verify(packed_again(path, files), "--key", key)
    assert code == 1
    assert "Seal 3 is in the bundle, but none of its events." in said


def test_times_are_compared_as_times(verifier: ModuleType) -> None:
    """PostgreSQL leaves out zeros at the end of a second's decimals; as text "…39.03299" comes before "…39.032990"."""
    second = "2026-11-21T16:12:39"
    rising = ["", ".000001", ".03", ".032989", ".03299", ".032991", ".1", ".10001", ".999999"]
    told = [verifier.comparable(f"{second}{decimals}+00:00") for decimals in rising]
    assert told == sorted(told)
    assert len(set(told)) == len(told)
    assert verifier.comparable(f"{second}.03299+00:00") == verifier.comparable(f"{second}.032990+00:00")


@database
def test_period_is_in_whole_seals_with_the_one_before_it(
    tmp_path: Path,
    verify: Verify,
    key: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    """From the second event of seal 4 to the last but one of seal 5: others of these seals come along."""
    settings.AUDIT_CHECKPOINT_FILES = []
    make_trail((3, 4, 5, 6, 7, 8))
    fourth, fifth = (list(SealedEvent.objects.filter(seal_id=number)) for number in (4, 5))
    monkeypatch.setattr(search, "bounds", lambda _: (fourth[1].timestamp, fifth[-1].timestamp))
    path, today = tmp_path / "period.zip", clock.now().date()
    make_bundle(path, EventFilter(since=today, until=today))
    code, said = verify(path, "--key", key)
    assert code == 0, said
    files = contents(path)
    numbers = [json.loads(row["statement"])["number"] for row in lines(files["seals.jsonl"])]
    assert numbers == [3, 4, 5], "3 was made before the period begins, and 5 after it ended"
    assert {row["seal"] for row in lines(files["events.jsonl"])} == {4, 5}
    manifest = json.loads(files["manifest.json"])
    assert (manifest["events"], manifest["selected"], manifest["seals"]) == (11, 9, 3)
    assert "Events       11, of them 9 asked for" in said
    assert f"from {manifest['complete']['from']} before {manifest['complete']['before']}" in said
    files["seals.jsonl"] = joined(lines(files["seals.jsonl"])[1:])
    code, said = verify(packed_again(path, files, selected=9), "--key", key)
    assert code == 1
    assert "Events of the period can be in seals before number 4, which are not here." in said


@database
def test_period_that_was_purged_begins_where_events_are_kept(trail: None, tmp_path: Path) -> None:
    people = {"requested_by": cast.ada(), "decided_by": cast.bob(), "decided_at": clock.now()}
    AuditPurge.objects.create(before=date(2016, 1, 1), reason="Test", status=AuditPurge.Status.DONE, **people)
    make_bundle(tmp_path / "all.zip")
    manifest = json.loads(contents(tmp_path / "all.zip")["manifest.json"])
    assert manifest["complete"] == {"from": "2016-01-01T00:00:00+00:00", "before": None}


@database
def test_events_not_sealed_yet_are_left_out_and_counted(
    trail: None, tmp_path: Path, outsider: Outsider, key: Path
) -> None:
    sealed = SealedEvent.objects.count()
    for number in range(3):
        record(number)
    written = make_bundle(tmp_path / "all.zip")
    assert (written.events, written.unsealed) == (sealed, 3)
    code, said = outsider.run(tmp_path / "all.zip", "--key", key)
    assert code == 0
    assert "3 were not sealed yet" in said


@database
def test_nothing_sealed_and_no_keys_are_told_apart(settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_CHECKPOINT_FILES = []
    record(1)
    with pytest.raises(export.NothingSealed, match="is sealed yet"):
        make_bundle(tmp_path / "a.zip")
    make_trail()
    settings.AUDIT_PUBLIC_KEYS_FILE = str(tmp_path / "no-keys")
    with pytest.raises(export.NoKeys, match="no-keys cannot be read"):
        make_bundle(tmp_path / "a.zip")


@database
def test_checkpoints_that_cannot_be_read_are_left_out(
    trail: None, settings: Any, tmp_path: Path, outsider: Outsider
) -> None:
    settings.AUDIT_CHECKPOINT_FILES = [str(tmp_path / "elsewhere"), str(tmp_path)]
    make_bundle(tmp_path / "all.zip")
    code, said = outsider.run(tmp_path / "all.zip")
    assert code == 0
    assert "Checkpoints  0 of the bundle agree" in said


# ── A damaged trail ────────────────────────────────────────────────────────────────────────────────────────────


DAMAGES = [
    (
        "UPDATE compliance_auditevent SET canonical = canonical || ' ' WHERE id = %(event)s",
        "Position 24",
        "Position 24",
    ),
    ("UPDATE compliance_auditevent SET canonical = '\\xff' WHERE id = %(event)s", "Position 24", "Position 24"),
    ("DELETE FROM compliance_auditevent WHERE id = %(event)s", "Position 24", "Missing: position 24 (seal 4)"),
    ("UPDATE compliance_sealedevent SET digest = sha256('x') WHERE position = 24", "Position 24", "seal 4"),
    ("DELETE FROM compliance_sealedevent WHERE position = 24", "Seal 4: its events", "Missing: position 24 (seal 4)"),
    ("UPDATE compliance_seal SET signature = sha512('x') WHERE number = 4", "Seal 4: its signature", "seal 4"),
    ("UPDATE compliance_seal SET statement = '\\xff' WHERE number = 4", "Seal 4: its signature", "a statement"),
    ("UPDATE compliance_seal SET first = 1 WHERE number = 4", "Seal 4: the table", "seal 4"),
    ("DELETE FROM compliance_seal WHERE number = 4", "seal 4 is missing", "Missing: seal 4."),
]


@database
@pytest.mark.parametrize(("statement", "told", "found"), DAMAGES)
def test_damaged_trail_is_handed_out_as_it_is(
    trail: None,
    tmp_path: Path,
    verify: Verify,
    key: Path,
    statement: str,
    told: str,
    found: str,
) -> None:
    """The evidence is not withheld: whoever makes the bundle is told, and whoever verifies it finds the same."""
    event = str(SealedEvent.objects.get(position=24).event)
    with triggers_off():
        sql(statement.replace("%(event)s", f"'{event}'"))
    written = make_bundle(tmp_path / "all.zip")
    assert any(told in sentence for sentence in written.damaged)
    code, said = verify(tmp_path / "all.zip", "--key", key)
    assert code == 1
    assert found in said
