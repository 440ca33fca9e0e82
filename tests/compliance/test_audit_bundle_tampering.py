"""Whatever was done to a bundle is found, and named."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from compliance.audit import signing
from tests.compliance.bundles import (
    SEALS,
    Files,
    Made,
    Outsider,
    Verify,
    canonical,
    contents,
    joined,
    lines,
    packed_again,
)


def test_any_changed_byte_of_any_file_is_found(zipped: Path, verify: Verify, key: Path) -> None:
    folder, dice = zipped.parent / "unpacked", random.Random(20261121)
    folder.mkdir()
    files = contents(zipped)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    assert verify(folder, "--key", key)[0] == 0
    for case in range(300):
        name = dice.choice(list(files))
        changed = bytearray(files[name])
        place = dice.randrange(len(changed))
        changed[place] ^= 1 << dice.randrange(8)
        (folder / name).write_bytes(changed)
        code, said = verify(folder, "--key", key)
        assert code == 1, f"case {case}: byte {place} of {name}"
        assert name in said
        (folder / name).write_bytes(files[name])


def test_any_changed_byte_of_the_zip_is_found(zipped: Path, verify: Verify, key: Path) -> None:
    data, dice = zipped.read_bytes(), random.Random(20261122)
    places = [dice.randrange(len(data)) for _ in range(300)] + list(range(len(data) - 115, len(data)))
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1 << dice.randrange(8)
        zipped.write_bytes(changed)
        assert verify(zipped, "--key", key)[0] in {1, 2}, f"byte {place}"


def edit_event(files: Files) -> None:
    files["events.jsonl"] = files["events.jsonl"].replace(b"denied", b"succes", 1)


def swap_actor(files: Files) -> None:
    rows = lines(files["events.jsonl"])
    rows[-1]["canonical"] = rows[-1]["canonical"].replace("Alice Adeyemi", "Bob Brown")
    files["events.jsonl"] = joined(rows)


def remove_event(files: Files) -> None:
    rows = lines(files["events.jsonl"])
    del rows[20]
    files["events.jsonl"] = joined(rows)


def remove_last_event(files: Files) -> None:
    files["events.jsonl"] = joined(lines(files["events.jsonl"])[:-1])


def remove_first_event(files: Files) -> None:
    files["events.jsonl"] = joined(lines(files["events.jsonl"])[1:])


def repeat_event(files: Files) -> None:
    rows = lines(files["events.jsonl"])
    files["events.jsonl"] = joined([*rows, rows[-1]])


def reorder_events(files: Files) -> None:
    rows = lines(files["events.jsonl"])
    rows[16], rows[17] = rows[17], rows[16]
    files["events.jsonl"] = joined(rows)


def swap_places(files: Files) -> None:
    rows = lines(files["events.jsonl"])
    rows[16]["canonical"], rows[17]["canonical"] = rows[17]["canonical"], rows[16]["canonical"]
    files["events.jsonl"] = joined(rows)


def swap_proofs(files: Files) -> None:
    rows = lines(files["events.jsonl"])
    rows[16]["path"], rows[17]["path"] = rows[17]["path"], rows[16]["path"]
    files["events.jsonl"] = joined(rows)


def shorten_proof(files: Files) -> None:
    rows = lines(files["events.jsonl"])
    rows[16]["path"].pop()
    files["events.jsonl"] = joined(rows)


def move_event_to_another_seal(files: Files) -> None:
    rows = lines(files["events.jsonl"])
    rows[-1]["seal"] -= 1
    files["events.jsonl"] = joined(rows)


def invent_event(files: Files) -> None:
    rows = lines(files["events.jsonl"])
    rows.append(rows[-1] | {"position": rows[-1]["position"] + 1})
    files["events.jsonl"] = joined(rows)


def remove_seal(files: Files) -> None:
    files["events.jsonl"] = joined([row for row in lines(files["events.jsonl"]) if row["seal"] != 3])
    seals = lines(files["seals.jsonl"])
    files["seals.jsonl"] = joined([*seals[:2], *seals[3:]])


def remove_first_seal(files: Files) -> None:
    files["events.jsonl"] = joined([row for row in lines(files["events.jsonl"]) if row["seal"] != 1])
    files["seals.jsonl"] = joined(lines(files["seals.jsonl"])[1:])


def reorder_seals(files: Files) -> None:
    seals = lines(files["seals.jsonl"])
    files["seals.jsonl"] = joined([*seals[:2], seals[3], seals[2], *seals[4:]])


def edit_statement(files: Files) -> None:
    files["seals.jsonl"] = files["seals.jsonl"].replace(b'\\"size\\":12', b'\\"size\\":11', 1)


def edit_signature(files: Files) -> None:
    seals = lines(files["seals.jsonl"])
    seals[1]["signature"] = seals[2]["signature"]
    files["seals.jsonl"] = joined(seals)


def second_form_of_signature(files: Files) -> None:
    seals = lines(files["seals.jsonl"])
    signature = bytes.fromhex(seals[1]["signature"])
    number = int.from_bytes(signature[32:], "little") + 2**252 + 27742317777372353535851937790883648493
    seals[1]["signature"] = (signature[:32] + number.to_bytes(32, "little")).hex()
    files["seals.jsonl"] = joined(seals)


def upper_case_digits(files: Files) -> None:
    seals = lines(files["seals.jsonl"])
    seals[1]["signature"] = seals[1]["signature"].upper()
    files["seals.jsonl"] = joined(seals)


def hide_a_second_text(files: Files) -> None:
    """A reader shows one of two equal keys, a verifier may take the other."""
    data = files["events.jsonl"]
    files["events.jsonl"] = data.replace(b'{"canonical":', b'{"canonical":"{}","canonical":', 1)


def spaces_in_a_line(files: Files) -> None:
    files["events.jsonl"] = files["events.jsonl"].replace(b',"path"', b', "path"', 1)


def contradicting_checkpoint(files: Files) -> None:
    rows = lines(files["checkpoints.jsonl"])
    rows[1]["statement"] = rows[1]["statement"].replace('"root":"', '"root":"0', 1)
    files["checkpoints.jsonl"] = joined(rows)


def no_seals(files: Files) -> None:
    files["seals.jsonl"] = b""


def deep_json(files: Files) -> None:
    files["events.jsonl"] = b'{"a":' * 100_000 + b"\n"


TAMPERINGS: list[tuple[Callable[[Files], None], str]] = [
    (edit_event, "does not lead to the signed root; the event or its proof was changed"),
    (swap_actor, "does not lead to the signed root; the event or its proof was changed"),
    (remove_event, "Missing: position 21 (seal 2), removed after sealing"),
    (remove_last_event, "removed after sealing"),
    (remove_first_event, "Missing: position 1 (seal 1)"),
    (repeat_event, "is out of order"),
    (reorder_events, "is out of order"),
    (swap_places, "Position 17 (seal 2), event"),
    (swap_proofs, "does not lead to the signed root"),
    (shorten_proof, "its proof has a wrong length"),
    (move_event_to_another_seal, "an event's seal is missing or out of order"),
    (invent_event, "is out of order"),
    (remove_seal, "Missing: seal 3"),
    (remove_first_seal, "Events of the period can be in seals before number 2"),
    (reorder_seals, "Missing: seal 3"),
    (edit_statement, "seal 4: the signature is wrong"),
    (edit_signature, "seal 2: the signature is wrong"),
    (second_form_of_signature, "seal 2: the signature is wrong"),
    (upper_case_digits, "seal 2: the signature is wrong"),
    (hide_a_second_text, "events.jsonl, line 1: not in the form that FORMAT.md describes"),
    (spaces_in_a_line, "events.jsonl, line 1: not in the form that FORMAT.md describes"),
    (contradicting_checkpoint, "checkpoints of the bundle: seal 2: the signature is wrong"),
    (no_seals, "do not go together"),
    (deep_json, "not in the form that FORMAT.md describes"),
]


@pytest.mark.parametrize(("tamper", "found"), TAMPERINGS, ids=lambda value: getattr(value, "__name__", ""))
def test_tampering_is_found_and_named(
    zipped: Path, verify: Verify, key: Path, tamper: Callable[[Files], None], found: str
) -> None:
    files = contents(zipped)
    before = dict(files)
    assert verify(packed_again(zipped, files), "--key", key)[0] == 0, "packed again, nothing changed"
    tamper(files)
    assert files != before
    code, said = verify(packed_again(zipped, files), "--key", key)
    assert code == 1
    assert found in said
    assert "NOT VERIFIED" in said


def signed_by_another(files: Files) -> Path | None:
    other = Ed25519PrivateKey.generate()
    public = other.public_key().public_bytes_raw()
    files["public_keys.txt"] = base64.b64encode(public) + b"\n"
    for name in ("seals.jsonl", "checkpoints.jsonl"):
        rows = lines(files[name])
        for row in rows:
            row["signature"] = other.sign(row["statement"].encode()).hex()
            row["key"] = hashlib.sha256(public).hexdigest()[:16]
        files[name] = joined(rows)
    return None


def test_other_key_is_found_only_with_a_key_from_elsewhere(zipped: Path, verify: Verify, key: Path) -> None:
    files = contents(zipped)
    signed_by_another(files)
    packed_again(zipped, files)
    code, said = verify(zipped, "--key", key)
    assert code == 1
    assert "seals.jsonl: seal 1 is signed with the key" in said
    code, said = verify(zipped)
    assert code == 0, "which is why the verifier says what the inner key is worth"
    assert "proves only" in said


def test_trail_sealed_again_with_the_right_key_is_found_by_checkpoints(
    made: Made, zipped: Path, verify: Verify, key: Path, tmp_path: Path
) -> None:
    """Whoever holds the private key and the database can write another history, but not another past elsewhere."""
    kept = tmp_path / "kept-outside.jsonl"
    kept.write_bytes(b"not a checkpoint\n" + made.checkpoints)
    code, said = verify(zipped, "--key", key, "--checkpoints", kept)
    assert code == 0
    assert f"agree with seals in the bundle, 0 are of other seals\nCheckpoints  {len(SEALS) + 1} of {kept}" in said
    files = contents(zipped)
    private, previous, seals = signing.private_key(), "0" * 64, []
    for row in lines(files["seals.jsonl"]):
        statement = json.loads(row["statement"]) | {"previous": previous, "horizon": "1"}
        text = canonical(statement)
        previous = hashlib.sha256(text).hexdigest()
        seals.append(row | {"statement": text.decode(), "signature": private.sign(text).hex()})
    files["seals.jsonl"], files["checkpoints.jsonl"] = joined(seals), b""
    packed_again(zipped, files)
    assert verify(zipped, "--key", key)[0] == 0
    code, said = verify(zipped, "--key", key, "--checkpoints", kept)
    assert code == 1
    assert f"Seal 1 in the bundle is not the one of the checkpoints of {kept}" in said


@pytest.mark.parametrize("name", ["../outside.txt", "/tmp/outside.txt", "extra.txt", "events.jsonl"])
def test_files_that_do_not_belong_are_refused_and_never_unpacked(
    zipped: Path, outsider: Outsider, key: Path, name: str
) -> None:
    before = sorted(outsider.folder.parent.rglob("*"))
    with zipfile.ZipFile(zipped, "a") as packed, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        packed.writestr(name, "planted")
    code, said = outsider.run(zipped, "--key", key)
    assert code == 1
    assert "Missing or too many" in said
    assert sorted(outsider.folder.parent.rglob("*")) == before


@pytest.mark.parametrize("time", ["2026-11-01", "~", "2026-11-01T00:00:00Z", "٢026-11-01T00:00:00+00:00"])
def test_period_in_another_form_is_refused(zipped: Path, verify: Verify, time: str) -> None:
    """Times are compared as text: another form could look like one time and be taken for a later one."""
    packed_again(zipped, contents(zipped), complete={"from": time, "before": None})
    code, said = verify(zipped)
    assert code == 1
    assert "the times of the period are not in the form" in said


def test_checkpoints_of_an_empty_file_are_told(zipped: Path, verify: Verify, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert f"Checkpoints  0 of {tmp_path / 'empty'} agree" in verify(zipped, "--checkpoints", tmp_path / "empty")[1]


def test_text_of_a_bundle_cannot_steer_the_terminal(zipped: Path, verify: Verify) -> None:
    packed_again(zipped, contents(zipped), made_by="\x1b[2J\x1b]0;VERIFIED\x07 nobody")
    _, said = verify(zipped)
    assert "\x1b" not in said
    assert "by ?[2J?]0;VERIFIED? nobody" in said


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_zip_that_was_cut_off_says_so(zipped: Path, outsider: Outsider, part: float) -> None:
    data = zipped.read_bytes()
    zipped.write_bytes(data[: int(len(data) * part)])
    code, said = outsider.run(zipped)
    assert code == 2
    assert "is not a whole zip file. Was it cut off while it was copied?" in said
    assert "Traceback" not in said


def test_what_cannot_be_checked_says_why(zipped: Path, outsider: Outsider, tmp_path: Path) -> None:
    assert outsider.run(tmp_path / "missing.zip") == (2, AnyEnd(f"{tmp_path / 'missing.zip'} cannot be read.\n"))
    (tmp_path / "words.txt").write_text("no key\n")
    code, said = outsider.run(zipped, "--key", tmp_path / "words.txt")
    assert code == 2
    assert "public keys" in said
    code, said = outsider.run(outsider.folder)
    assert code == 1
    assert "not the files of a bundle" in said


class AnyEnd(str):
    """Equal to every text that ends so."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and other.endswith(str(self))

    __hash__ = str.__hash__
