"""The signed manifest of a backup. It is uploaded last: objects without a manifest are not a backup.

manifest.json holds two lines. The first is the manifest as canonical JSON (sorted keys, no spaces, ASCII). The second
is the id of the backup key, a space, and the hex Ed25519 signature of b"clinchat backup manifest 1\\n" followed by the
first line without its line end.
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

FORMAT_VERSION: Final = 1
FOLDER: Final = "backups"
MAX_BYTES: Final = 16 * 1024 * 1024
"""A larger manifest.json is refused."""
_SIGNED_PREFIX: Final = b"clinchat backup manifest 1\n"
_FILE: Final = re.compile(rb"([^\n]+)\n([0-9a-f]{16}) ([0-9a-f]{128})\n")
_TIME_FIELDS: Final = ("as_of", "made_at", "keep_until")


@dataclass(frozen=True)
class Part:
    """One encrypted object of a backup: bytes and SHA-256 as stored (ciphertext), and of its plaintext."""

    name: str
    size: int
    sha256: str
    plain_size: int
    plain_sha256: str


@dataclass(frozen=True)
class Manifest:
    """The content of manifest.json: the names of the fields are its JSON keys. Times are aware, sizes in bytes."""

    id: str
    key: str
    """Folder of the backup in every store (folder_name), by which people name it. No cryptographic key."""
    kind: str
    type: str
    name: str
    environment: str
    as_of: datetime
    """The backup holds what was committed before this moment."""
    made_at: datetime
    keep_until: datetime
    app_version: str
    schema: dict[str, Any]
    """The applied migrations, and the SHA-256 of their list (figures.schema)."""
    tools: dict[str, str]
    parts: tuple[Part, ...]
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Row count and checksum by table (figures.table_checksums)."""
    audit: dict[str, Any] = field(default_factory=dict)
    """Head of the audit trail: number and SHA-256 of the newest seal, number of events (figures.audit_head)."""
    people: dict[str, int] = field(default_factory=dict)
    """Counts that a restore must never lower, such as closed accounts (figures.access_counts)."""
    questions: list[dict[str, Any]] | None = None
    """Known questions and the ids that the search found for each; None: the search did not work."""
    previous: str = ""
    """SHA-256 of the manifest of the backup completed before this one; empty for the first."""
    base: dict[str, Any] = field(default_factory=dict)
    """Of a base backup: time and LSN at which it began and ended."""
    form: int = FORMAT_VERSION
    """Version of this format."""

    def part(self, name: str) -> Part:
        """The part of that name. Raises Missing."""
        for part in self.parts:
            if part.name == name:
                return part
        raise Missing(name)

    @property
    def size(self) -> int:
        """Bytes of all parts as stored, without the manifest."""
        return sum(part.size for part in self.parts)


def object_name(key: str, part: str = "") -> str:
    """The name in a store of a part of the backup with that key; without `part` the prefix of all its objects."""
    return f"{FOLDER}/{key}/{part}"


def folder_name(backup_id: str, started_at: datetime) -> str:
    """The key of a backup: when it was started, and the first 8 hex digits of its id."""
    return f"{started_at:%Y%m%dT%H%M%SZ}-{backup_id.replace('-', '')[:8]}"


def serialize(manifest: Manifest, *, key: Key) -> bytes:
    """The bytes of manifest.json, signed with `key`."""
    payload = asdict(manifest) | {name: getattr(manifest, name).isoformat() for name in _TIME_FIELDS}
    line = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode(
        "ascii"
    )
    return b"%b\n%b %b\n" % (line, key.id.encode("ascii"), key.sign(_SIGNED_PREFIX + line).hex().encode("ascii"))


def parse(data: bytes, *, keys: Sequence[Key]) -> Manifest:
    """Verify the signature of a manifest.json, then parse it.

    Raises Unsigned (no valid signature), WrongKey (signed with none of `keys`), TooNew (format of a later version) and
    Altered (validly signed, but not of this format).
    """
    lines = _FILE.fullmatch(data)
    if lines is None:
        raise Unsigned
    line, key_id, signature = lines.groups()
    key = find(key_id.decode("ascii"), keys)
    if key is None:
        raise WrongKey
    if not key.verifies(_SIGNED_PREFIX + line, bytes.fromhex(signature.decode("ascii"))):
        raise Unsigned
    try:
        payload = json.loads(line)
        if payload["form"] > FORMAT_VERSION:
            raise TooNew
        times = {name: datetime.fromisoformat(payload[name]) for name in _TIME_FIELDS}
        parts = tuple(Part(**part) for part in payload["parts"])
        return Manifest(**{f.name: payload[f.name] for f in fields(Manifest)} | times | {"parts": parts})
    except (KeyError, TypeError, ValueError):  # validly signed, so a bug or another version, no attack
        raise Altered from None


def sha256(data: bytes) -> str:
    """The hex digest of a manifest.json: Backup.manifest_sha256 and Manifest.previous."""
    return hashlib.sha256(data).hexdigest()
