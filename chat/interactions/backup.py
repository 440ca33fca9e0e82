"""A copy of what a check needs, in a file: the release and the hospital's changes, for when the database is away.

Any process that sees a change writes it, and the worker does every minute. It holds no patient's data.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from chat.interactions import release
from chat.interactions.release import Damaged, Release
from chat.interactions.types import Local, Severity

NAME = "interactions.json"


@dataclass(frozen=True, slots=True)
class Change:
    """What a hospital says of a pair. Mechanism, effect and management count where the table lacks it."""

    a: str
    b: str
    severity: Severity
    mechanism: str
    effect: str
    management: str
    source_name: str
    source_ref: str
    local: Local


@dataclass(frozen=True, slots=True)
class Copy:
    """`version` names the state of the database that it was made from, at `at`."""

    release: Release
    changes: Mapping[tuple[str, str], Change]
    version: str
    at: datetime


def write(folder: Path, copy: Copy) -> None:
    """Replace the copy in one step. Raises OSError."""
    own = copy.release.sha256 != release.shipped().sha256
    content = {
        "release": base64.b64encode(copy.release.packed()).decode() if own else "",
        "sha256": copy.release.sha256,
        "changes": [_plain(change) for change in copy.changes.values()],
        "version": copy.version,
        "at": copy.at.isoformat(),
    }
    text = json.dumps(content, sort_keys=True)
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, prefix=f"{NAME}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps({"digest": _digest(text), "content": text}))
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(folder / NAME)
    except OSError:
        with suppress(OSError):
            Path(name).unlink()
        raise


def read(folder: Path) -> Copy | None:
    """The copy, if there is a sound one that this image can use."""
    try:
        outer = json.loads((folder / NAME).read_text(encoding="utf-8"))
        if _digest(outer["content"]) != outer["digest"]:
            return None
        content = json.loads(outer["content"])
        packed = content["release"]
        found = release.unpack(base64.b64decode(packed)) if packed else release.shipped()
        changes = {(change.a, change.b): change for row in content["changes"] for change in [_change(row)]}
        copy = Copy(found, changes, content["version"], datetime.fromisoformat(content["at"]))
        # Another one: the image was exchanged since, and its own release is the newer one.
        return copy if found.sha256 == content["sha256"] else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, Damaged):
        return None


def _plain(change: Change) -> dict[str, Any]:
    row = asdict(change)
    row["local"]["expires"] = change.local.expires.isoformat()
    return row


def _change(row: dict[str, Any]) -> Change:
    local = row["local"]
    shipped = Severity(local["shipped"]) if local["shipped"] else None
    kept = Local(local["id"], shipped, local["reason"], date.fromisoformat(local["expires"]))
    return Change(**{**row, "severity": Severity(row["severity"]), "local": kept})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
