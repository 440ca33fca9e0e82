"""What a backup consists of, in one signed file that is written last: without it nothing is a backup.

manifest.json holds two lines. The first is the manifest as canonical JSON: keys in order, no spaces, ASCII. The second
is the id of the backup key, a space, and the Ed25519 signature in hex of b"clinchat backup manifest 1\\n" followed by
the first line without its end.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Final

from compliance.continuity.refusals import Altered, Missing, TooNew, Unsigned, WrongKey
from compliance.continuity.storage.keys import Key, find

FORM: Final = 1
FOLDER: Final = "backups"
MOST: Final = 16 * 1024 * 1024
"""Bytes of the longest manifest that is read."""
_PURPOSE: Final = b"clinchat backup manifest 1\n"
_LINES: Final = re.compile(rb"([^\n]+)\n([0-9a-f]{16}) ([0-9a-f]{128})\n")
_TIMES: Final = ("as_of", "made_at", "keep_until")


@dataclass(frozen=True)
class Part:
    """One encrypted stream of a backup: as it is in the store, and what is in it."""

    name: str
    size: int
    sha256: str
    plain_size: int
    plain_sha256: str


@dataclass(frozen=True)
class Manifest:
    """What manifest.json says. Times are aware; sizes are in bytes."""

    id: str
    key: str
    """The backup's folder."""
    kind: str
    type: str
    name: str
    environment: str
    as_of: datetime
    """The moment of the database that it holds."""
    made_at: datetime
    keep_until: datetime
    app_version: str
    schema: dict[str, Any]
    """Applied migrations, and the SHA-256 of their list."""
    tools: dict[str, str]
    parts: tuple[Part, ...]
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of each table how many rows there were, and their checksum (figures.py)."""
    audit: dict[str, Any] = field(default_factory=dict)
    """The newest seal, the SHA-256 of its statement, and how many events there were."""
    people: dict[str, int] = field(default_factory=dict)
    questions: list[dict[str, Any]] | None = None
    """Known questions with what was found for them; None where nobody could be asked."""
    previous: str = ""
    """SHA-256 of the manifest that was made before it; empty for the first one."""
    base: dict[str, Any] = field(default_factory=dict)
    """Of a copy for going back to a moment: where in the log it begins and ends."""
    form: int = FORM

    def part(self, name: str) -> Part:
        """Raises Missing."""
        for part in self.parts:
            if part.name == name:
                return part
        raise Missing(name)

    @property
    def size(self) -> int:
        """Bytes of all parts in the store."""
        return sum(part.size for part in self.parts)


def place(key: str, part: str = "") -> str:
    """The name of a backup's folder in a store, or of something in it."""
    return f"{FOLDER}/{key}/{part}"


def key_of(backup_id: str, at: datetime) -> str:
    """The folder of a backup begun at that moment."""
    return f"{at:%Y%m%dT%H%M%SZ}-{backup_id.replace('-', '')[:8]}"


def written(manifest: Manifest, *, key: Key) -> bytes:
    """The bytes of manifest.json, signed."""
    said = asdict(manifest) | {name: getattr(manifest, name).isoformat() for name in _TIMES}
    line = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")
    return b"%b\n%b %b\n" % (line, key.id.encode("ascii"), key.sign(_PURPOSE + line).hex().encode("ascii"))


def read(data: bytes, *, keys: Sequence[Key]) -> Manifest:
    """The manifest, if one of `keys` signed it. Raises Unsigned, WrongKey, TooNew and Altered."""
    lines = _LINES.fullmatch(data)
    if lines is None:
        raise Unsigned
    line, key_id, signature = lines.groups()
    key = find(key_id.decode("ascii"), keys)
    if key is None:
        raise WrongKey
    if not key.signed(_PURPOSE + line, bytes.fromhex(signature.decode("ascii"))):
        raise Unsigned
    try:
        said = json.loads(line)
        if said["form"] > FORM:
            raise TooNew
        times = {name: datetime.fromisoformat(said[name]) for name in _TIMES}
        parts = tuple(Part(**part) for part in said["parts"])
        return Manifest(**{each.name: said[each.name] for each in fields(Manifest)} | times | {"parts": parts})
    except (KeyError, TypeError, ValueError):  # signed by us, and yet not as this version writes it
        raise Altered from None


def sha256(data: bytes) -> str:
    """In hex, as manifests and rows name one another."""
    return hashlib.sha256(data).hexdigest()
