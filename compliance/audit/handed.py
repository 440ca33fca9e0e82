"""What was handed out, to the byte: the second event of an export, which its first is known by.

The first says who wants what, and is there before anything is written. This one says how much it was, and its SHA-256:
a file that turns up elsewhere can be told to be that one, or not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable
from contextvars import copy_context
from typing import IO
from uuid import UUID

from compliance.audit.writer import record
from compliance.models.events import Code, Crude

OBJECT_TYPE = "compliance.Export"
CHUNK = 1024 * 1024


def out(export: UUID, *, sha256: str, count: int, broken_off: bool = False) -> None:
    """Put on record what became of an export. Of one that was broken off it is what was made of it until then."""
    record(
        code=Code.SENSITIVE_READ,
        action=Crude.EXECUTE,
        object_type=OBJECT_TYPE,
        object_id=str(export),
        detail={"sha256": sha256, "count": count, **({"broken_off": True} if broken_off else {})},
    )


def digest(file: IO[bytes]) -> str:
    """Of a whole file, from its beginning."""
    file.seek(0)
    found = hashlib.sha256()
    while chunk := file.read(CHUNK):
        found.update(chunk)
    return found.hexdigest()


def sending(parts: Iterable[bytes], *, export: UUID, count: int) -> Generator[bytes, None, None]:
    """The parts of an export that is made while it is sent; on record when the last one has gone, or nobody waits."""
    found, whose, whole = hashlib.sha256(), copy_context(), False
    try:
        for part in parts:
            found.update(part)
            yield part
        whole = True
    finally:  # also when a reader has closed the page: whoever closes this knows no longer who asked
        whose.run(out, export, sha256=found.hexdigest(), count=count, broken_off=not whole)
