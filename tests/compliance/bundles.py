"""A small trail, its bundle, and the machine of somebody who has nothing but that."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from compliance import audit
from compliance.audit import bundle, export, seal
from compliance.audit.export import Format
from compliance.audit.search import EventFilter
from compliance.models import Code, Crude, Outcome
from tests import cast

STANDALONE = Path(bundle.__file__).parent / "standalone"
SEALS = (7, 1, 12, 4)
"""Events of the seals of the trail."""
Verify: TypeAlias = Callable[..., tuple[int, str]]
Files: TypeAlias = dict[str, bytes]


def record(number: int) -> None:
    audit.record(
        code=Code.SENSITIVE_READ,
        action=Crude.READ,
        outcome=Outcome.DENIED if number % 5 == 0 else Outcome.SUCCESS,
        object_type="chat.Turn",
        object_id=f"00000000-0000-4000-8000-{number:012}",
        detail={"reason": '“ü” \\ " \u2028', "number": number},
    )


def make_trail(sizes: tuple[int, ...] = SEALS) -> None:
    with audit.bind(actor=cast.alice(), source="192.0.2.7"):
        seal.seal_all()  # whatever making people recorded
        for size in sizes:
            for number in range(size):
                record(number)
            assert seal.seal_all() == size


def make_bundle(path: Path, filter: EventFilter = EventFilter()) -> export.Written:  # noqa: A002, B008
    with path.open("w+b") as file:
        return export.begin(filter, format=Format.BUNDLE).write(file)


@dataclass(frozen=True)
class Made:
    """What one trail left behind."""

    zip: bytes
    checkpoints: bytes


class Outsider:
    """A machine with Python and an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in ("verify.py", "ed25519.py"):
            shutil.copy(STANDALONE / name, folder)

    def run(self, *words: str | Path, script: str = "verify.py") -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-I", "-S", script, *map(str, words)],
            cwd=self.folder,
            env={},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def lines(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


def canonical(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def packed_again(path: Path, files: dict[str, bytes], **manifest: Any) -> Path:
    """As somebody packs it who knows FORMAT.md: counts and checksums fit what they changed."""
    told = json.loads(files["manifest.json"])
    events, seals = files["events.jsonl"].count(b"\n"), files["seals.jsonl"].count(b"\n")
    told |= {"events": events, "selected": events, "seals": seals} | manifest
    files["manifest.json"] = json.dumps(told, indent=2).encode()
    names = (*bundle.NAMES, "SHA256SUMS")
    files["SHA256SUMS"] = "".join(f"{hashlib.sha256(files[n]).hexdigest()}  {n}\n" for n in names[:-1]).encode()
    with zipfile.ZipFile(path, "w") as packed:
        for name in names:
            packed.writestr(name, files[name])
    return path


def joined(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(canonical(row) + b"\n" for row in rows)
