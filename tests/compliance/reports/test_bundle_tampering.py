"""Whatever is changed in an auditor's bundle, by accident or by somebody who knows README.txt, it is refused."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from compliance.controls import results
from tests.compliance.reports import making
from tests.compliance.reports.making import Files, Verify

FLIPS = 150


@pytest.mark.django_db
def test_there_is_a_database() -> None:
    """The bundle below comes from one; pytest makes it for tests that ask for it."""


def changed_result(files: Files) -> None:
    rows = making.lines(files["results.jsonl"])
    wrong = next(n for n, row in enumerate(rows) if row["state"] == "fail")
    rows[wrong] = making.resigned(rows[wrong], state="pass", failing=[], failing_count=0)
    files["results.jsonl"] = making.joined(rows)


def changed_without_digest(files: Files) -> None:
    rows = making.lines(files["results.jsonl"])
    rows[0]["observed"] = "All is well"
    files["results.jsonl"] = making.joined(rows)


def removed_result(files: Files) -> None:
    rows = [row for row in making.lines(files["results.jsonl"]) if row["state"] == "pass"]
    files["results.jsonl"] = making.joined(rows)
    files["manifest.json"] = json.dumps(json.loads(files["manifest.json"]) | {"results": len(rows)}).encode()


def added_result(files: Files) -> None:
    rows = making.lines(files["results.jsonl"])
    rows.append(making.resigned(rows[-1], observed="Once more"))
    files["results.jsonl"] = making.joined(rows)


def repeated_result(files: Files) -> None:
    rows = making.lines(files["results.jsonl"])
    files["results.jsonl"] = making.joined([*rows, rows[-1]])


def earlier_result(files: Files) -> None:
    rows = making.lines(files["earlier.jsonl"])
    rows[0] = making.resigned(rows[0], observed="Another")
    files["earlier.jsonl"] = making.joined(rows)


def swapped_catalogue(files: Files) -> None:
    """The rows that fail count for nothing."""
    (name,) = [name for name in files if name.startswith("catalogue/") and name.endswith(".json")]
    book = json.loads(files[name])
    for control in book["controls"]:
        control["gate"] = False
    files[name] = json.dumps(book).encode()


def other_catalogue_text(files: Files) -> None:
    (name,) = [name for name in files if name.startswith("catalogue/") and name.endswith(".yaml")]
    files[name] = files[name].replace(b"gate: true", b"gate: false")


def changed_report(files: Files) -> None:
    (name,) = [name for name in files if name.startswith("reports/")]
    report = json.loads(files[name])
    report["sections"][0]["facts"][0][1] = 100.0
    files[name] = results.canonical(report)


def removed_report(files: Files) -> None:
    (name,) = [name for name in files if name.startswith("reports/")]
    del files[name]


def changed_policy(files: Files) -> None:
    files["policies/use-1.0.md"] += b"Or not.\n"


def changed_acknowledgement(files: Files) -> None:
    rows = making.lines(files["acknowledgements.jsonl"])
    files["acknowledgements.jsonl"] = making.joined([rows[0] | {"person": "Somebody Else"}])


def changed_attestation(files: Files) -> None:
    rows = making.lines(files["attestations.jsonl"])
    files["attestations.jsonl"] = making.joined([rows[0] | {"review_by": "2099-01-01T00:00:00+00:00"}])


def other_document(files: Files) -> None:
    (name,) = [name for name in files if name.startswith("artifacts/")]
    files[name] = b"%PDF another document"


def changed_exception(files: Files) -> None:
    rows = making.lines(files["exceptions.jsonl"])
    files["exceptions.jsonl"] = making.joined([rows[0] | {"control": "ADM-01"}])


def better_score(files: Files) -> None:
    given = json.loads(files["score.json"])
    last = given["moments"][0]["score"]
    last["score"] = last["uncapped"] = 100.0
    files["score.json"] = json.dumps(given).encode()


def other_days(files: Files) -> None:
    manifest = json.loads(files["manifest.json"])
    files["manifest.json"] = json.dumps(manifest | {"from": "2020-01-01T00:00:00+00:00"}).encode()


def without_trail(files: Files) -> None:
    files["audit.zip"] = files["proof.zip"]


def added_file(files: Files) -> None:
    files["policies/more-1.0.md"] = b"Nobody published this.\n"


CHANGES: tuple[Callable[[Files], None], ...] = (
    changed_result,
    changed_without_digest,
    removed_result,
    added_result,
    repeated_result,
    earlier_result,
    swapped_catalogue,
    other_catalogue_text,
    changed_report,
    removed_report,
    changed_policy,
    changed_acknowledgement,
    changed_attestation,
    other_document,
    changed_exception,
    better_score,
    other_days,
    without_trail,
    added_file,
)


def test_packed_again_as_it_was_it_verifies(zipped: Path, tmp_path: Path, verify: Verify) -> None:
    """So it is the change that is refused below, not the packing."""
    code, said = verify(making.packed_again(tmp_path / "again.zip", making.contents(zipped)))
    assert code == 0, said


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("covered", ["nothing", "sums", "everything"])
def test_a_change_is_refused(
    change: Callable[[Files], None], covered: str, zipped: Path, tmp_path: Path, verify: Verify
) -> None:
    files = making.contents(zipped)
    change(files)
    again = making.packed_again(
        tmp_path / "again.zip", files, sums=covered != "nothing", digest=covered == "everything"
    )
    code, said = verify(again)
    assert code == 1, said
    assert "NOT VERIFIED" in said


def test_each_lie_is_named_by_what_it_is_about(zipped: Path, tmp_path: Path, verify: Verify) -> None:
    """Not only by the digest over all files: each has a proof of its own."""
    for change, words in (
        (changed_result, "is not on record in the sealed trail"),
        (removed_result, "are missing from results.jsonl"),
        (changed_report, "is not the report that is on record"),
        (changed_attestation, "review_by of"),
        (changed_exception, "control of"),
        (better_score, "by the evidence, but score.json says 100.0"),
        (swapped_catalogue, "Different: "),
        (changed_policy, "names another content"),
    ):
        files = making.contents(zipped)
        change(files)
        assert words in verify(making.packed_again(tmp_path / "again.zip", files))[1]


def test_flipped_bytes_are_noticed(zipped: Path, tmp_path: Path, verify: Verify) -> None:
    data, rng = zipped.read_bytes(), random.Random(9)
    for place in (0, len(data) - 1, *(rng.randrange(len(data)) for _ in range(FLIPS))):
        changed = bytearray(data)
        changed[place] ^= 1 << rng.randrange(8)
        zipped.write_bytes(changed)
        code, said = verify(zipped)
        assert code in {1, 2}, f"byte {place}: {said}"
    assert verify_whole(zipped, data, verify) == 0


def verify_whole(path: Path, data: bytes, verify: Verify) -> int:
    path.write_bytes(data)
    return verify(path)[0]


def test_a_truncated_file_is_refused(zipped: Path, verify: Verify) -> None:
    data = zipped.read_bytes()
    for length in (0, 1, 100, len(data) // 2, len(data) - 100, len(data) - 1):
        zipped.write_bytes(data[:length])
        code, said = verify(zipped)
        assert code == (1 if length == len(data) - 1 else 2), said  # without its last byte it can be opened still


def test_keys_of_somebody_else_are_refused(zipped: Path, tmp_path: Path, verify: Verify) -> None:
    other = tmp_path / "other.txt"
    other.write_bytes(base64.b64encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw()))
    code, said = verify(zipped, other)
    assert code == 1
    assert "is signed with the key" in said
    other.write_text("no key")
    assert verify(zipped, other)[0] == 2
    assert verify(zipped, tmp_path / "missing.txt")[0] == 2
