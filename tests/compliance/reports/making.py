"""A month with results, things signed and a report, its bundle, and what somebody does to it who knows README.txt."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias
from unittest import mock

from clinchat.lib import clock
from compliance import audit
from compliance.audit import seal
from compliance.controls import attestations, catalogue, exceptions, results
from compliance.controls.catalogue import Mode
from compliance.models import ControlException, ControlResult, MonthlyReport, PolicyAcknowledgement, PolicyVersion, User
from compliance.reports import bundle, monthly, sections
from tests import cast

State = ControlResult.State
Files: TypeAlias = dict[str, bytes]
Verify: TypeAlias = Callable[..., tuple[int, str]]
SERVED = ("verify_controls.py", "verify.py", "ed25519.py")


def the_month() -> sections.Period:
    return monthly.last_month()


def keep(
    key: str, moment: datetime, state: ControlResult.State = State.PASS, observed: str = "As it should be"
) -> ControlResult:
    failing = [] if state == State.PASS else ["one-thing"]
    return results.keep(
        key=key,
        state=state,
        observed=observed,
        subjects=2,
        failing=failing,
        evidence={"looked": 2, "share": 0.5},
        started_at=moment,
        duration_ms=3,
    )


def make_month(month: sections.Period) -> MonthlyReport:
    """Every check once before the month and once on its last day, a few fail; signed, excepted, accepted, reported."""
    carol, pat = cast.carol(), cast.pat()
    keys = list(catalogue.current().checks)
    with audit.bind(actor=carol):
        for number, key in enumerate(keys):
            keep(key, month.start - timedelta(days=2, minutes=number))
            state = (State.PASS, State.PASS, State.FAIL, State.ERROR)[number % 4] if number > 60 else State.PASS
            keep(key, month.end - timedelta(hours=3, minutes=-number), state)
        with mock.patch.object(clock, "now", return_value=month.end - timedelta(days=1)):
            _sign(carol)
        policy = PolicyVersion.objects.create(
            slug="use",
            number=1,
            title="Use",
            version="1.0",
            text="# Use\n\nRead “it”.",
            change="New.",
            in_force=True,
            published_at=month.start,
        )
        PolicyAcknowledgement.objects.create(person=pat, policy=policy, at=month.start)
        return monthly.make(month.month, carol)


def _sign(carol: User) -> None:
    signed = next(one for one in catalogue.current().controls if one.mode is Mode.ATTESTATION and one.duty)
    attestations.attest(
        control_id=signed.id,
        owner={"security_official": cast.sam, "privacy_official": cast.pat, "compliance_manager": cast.carol}[
            signed.duty.office if signed.duty else ""
        ](),
        statement="It is kept.",
        document=b"%PDF a document",
        document_name="plan.pdf",
    )
    open_one = next(one for one in catalogue.current().controls if one.mode is Mode.AUTOMATED and not one.gate)
    asked = exceptions.ask(
        control_id=open_one.id,
        by=carol,
        kind=ControlException.Kind.EXCEPTION,
        reason="Waits for parts",
        compensating="Watched",
        days=30,
    )
    exceptions.approve(exception=asked, by=cast.ada())


@contextmanager
def sealing() -> Iterator[None]:
    """The process that seals does its work whenever the export waits for it."""
    with mock.patch("time.sleep", side_effect=lambda _: seal.seal_all()):
        yield


def make_bundle(path: Path, *, documents: bool = False) -> bundle.Written:
    month = the_month()
    with sealing(), path.open("w+b") as file:
        return bundle.write(bundle.period(month.month, clock.now().date()), file, documents=documents)


@dataclass(frozen=True)
class Made:
    month: sections.Period
    zip: bytes
    written: bundle.Written


def program(folder: Path) -> ModuleType:
    """verify_controls.py in this process, for cases by the hundred."""
    spec = importlib.util.spec_from_file_location("standalone_verify_controls", folder / "verify_controls.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def unpack_programs(zipped: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(zipped) as packed:
        for name in SERVED:
            packed.extract(name, folder)
    return folder


def contents(path: Path) -> Files:
    with zipfile.ZipFile(path) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def packed_again(path: Path, files: Files, *, sums: bool = True, digest: bool = True) -> Path:
    """As somebody packs it who wants it to verify: checksums fit what was changed, the one at the end too."""
    manifest = json.loads(files["manifest.json"])
    if sums:
        found = {name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != "manifest.json"}
        manifest["files"] = found
        if digest:
            own = {name: value for name, value in found.items() if name not in {"audit.zip", "proof.zip"}}
            manifest["contents"] = hashlib.sha256(results.canonical(own)).hexdigest()
    files = {**files, "manifest.json": json.dumps(manifest).encode()}
    with zipfile.ZipFile(path, "w") as packed:
        packed.comment = bundle.MARK + b"0" * 64
        for name, data in files.items():
            packed.writestr(name, data)
    raw = path.read_bytes()[:-64]
    path.write_bytes(raw + hashlib.sha256(raw).hexdigest().encode())
    return path


def lines(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


def joined(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(results.canonical(row) + b"\n" for row in rows)


def resigned(row: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """A result with other values and the digest these have."""
    new = row | changed
    return new | {"digest": results.digest(new)}
