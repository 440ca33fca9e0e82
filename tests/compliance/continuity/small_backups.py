"""Two real backups of the test database, small, and a store in memory that they are altered in."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.core.management import call_command
from django.test import override_settings

from compliance.continuity.backup import backups, reading
from compliance.continuity.backup.manifests import Manifest
from compliance.continuity.refusals import Absent
from compliance.continuity.storage import stores
from compliance.continuity.storage.keys import Key, ring
from compliance.continuity.storage.stores import Entry
from compliance.models import Backup

LONG = 2 * 2**20 + 12_345
"""Bytes of a file in each of them: files.tar has three frames."""


class Memory:
    """A store that forgets. It is not among those of the settings."""

    name = "memory"
    enforces_retention = False

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = dict(objects)

    def put(self, name: str, chunks: Iterable[bytes], *, keep_until: datetime | None = None) -> int:
        self.objects[name] = b"".join(chunks)
        return len(self.objects[name])

    def retain(self, name: str, until: datetime) -> None:
        return

    def open(self, name: str) -> Iterator[bytes]:
        if name not in self.objects:
            raise Absent(name)
        data = memoryview(self.objects[name])
        for start in range(0, len(data), stores.CHUNK_BYTES):
            yield bytes(data[start : start + stores.CHUNK_BYTES])

    def list(self, prefix: str = "") -> Iterator[Entry]:
        for name in sorted(self.objects):
            if name.startswith(prefix):
                yield Entry(name, len(self.objects[name]), datetime.now(UTC))

    def delete(self, name: str) -> None:
        self.objects.pop(name, None)

    def remove_unfinished(self, before: datetime) -> int:
        return 0


@dataclass(frozen=True)
class Made:
    """The older and the newer one, and everything that their store holds."""

    older: Manifest
    newer: Manifest
    objects: dict[str, bytes]
    keys: list[Key]

    def store(self) -> Memory:
        return Memory(self.objects)


def make(folder: Path) -> Made:
    """The database holds nothing of them afterwards, as if it were lost."""
    noise = folder / "checkpoints.jsonl"
    noise.write_bytes(random.Random(10).randbytes(LONG))
    with override_settings(BACKUP_STORES=[str(folder / "store")], AUDIT_CHECKPOINT_FILES=[str(noise)]):
        try:
            for name in ("older", "newer"):
                backups.create(type=Backup.Type.MANUAL, name=name)
            older, newer = sorted(reading.list_manifests(), key=lambda one: one.made_at)
            store = stores.primary()
            objects = {entry.name: b"".join(store.open(entry.name)) for entry in store.list()}
        finally:
            call_command("flush", interactive=False, verbosity=0)
    return Made(older, newer, objects, ring())
