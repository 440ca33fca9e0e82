"""The newest seal, written down where whoever rules the database does not rule.

A checkpoint is a line of JSON with the signed statement of a seal. It goes to each file of AUDIT_CHECKPOINT_FILES
(another volume, another host), to the log stream "audit" of the sealer, which is shipped with the other logs, and to
syslog where AUDIT_CHECKPOINT_SYSLOG names one. The files are what `audit_verify` compares the database with.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings

from compliance.models import Seal

logger = logging.getLogger("clinchat.audit")
TYPE = "clinchat.audit.checkpoint"
_FIELDS = ("type", "statement", "signature", "key")
STREAM_SECONDS = 60
_told = (0, -STREAM_SECONDS * 1.0)
"""The last seal the streams were told of, and when (monotonic)."""
_AUTHPRIV_INFO = 10 * 8 + 6
"""Facility and severity of a syslog message (RFC 5424, 6.2.1)."""
_TAIL = 8192
"""Bytes at the end of a file that surely hold its last line."""


@dataclass(frozen=True)
class Checkpoint:
    """One line of a sink. `sealed_at` and `number` are those of the statement."""

    line: str
    statement: bytes
    signature: bytes
    key: str
    number: int
    sealed_at: datetime


def line(seal: Seal) -> str:
    said = {
        "type": TYPE,
        "statement": bytes(seal.statement).decode("ascii"),
        "signature": bytes(seal.signature).hex(),
        "key": seal.key_id,
    }
    return _written(said)


def _written(said: dict[str, Any]) -> str:
    return json.dumps(said, sort_keys=True, separators=(",", ":"))


def anchor(seal: Seal, *, streams: bool = True) -> None:
    """Append the seal to every sink that does not end with it. A sink that fails is logged; the others get theirs.

    Files get every checkpoint; the log stream and syslog, which people read too, the newest one of each minute.
    """
    global _told  # noqa: PLW0603  # one sealer, one thread
    text = line(seal)
    for path in files():
        _append(path, text, seal.number)
    now = time.monotonic()
    if streams and seal.number > _told[0] and now - _told[1] >= STREAM_SECONDS:
        _told = (seal.number, now)
        # As fields: a message is masked, and a statement full of numbers would not survive that.
        fields = json.loads(text)
        logger.info("checkpoint of seal %d", seal.number, extra={"code": "AUDIT_CHECKPOINT", "fields": fields})
        _send(text)


def files() -> list[Path]:
    return [Path(path) for path in settings.AUDIT_CHECKPOINT_FILES]


def read(path: Path, *, after: int = 0) -> Iterator[Checkpoint | None]:
    """The checkpoints of a file, oldest first; None for a line that is none. Raises OSError.

    With `after`, those of later seals, and some before them: the file grows for years, and is not read as a whole.
    """
    with path.open("rb") as file:
        if after:
            _skip(file, after)
        for raw in file:
            yield parse(raw)


def _skip(file: BinaryIO, after: int) -> None:
    """Go to the beginning of a line before which there are only seals up to `after`."""
    low, high = 0, file.seek(0, os.SEEK_END)
    while high - low > _TAIL:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        found = parse(file.readline())
        if found is not None and found.number <= after:
            low = middle
        else:
            high = middle
    file.seek(low)
    if low:
        file.readline()


def parse(raw: bytes) -> Checkpoint | None:
    try:
        row: Any = json.loads(raw)
        if row["type"] != TYPE:
            return None
        statement: Any = json.loads(row["statement"])
        of_log = "stream" in row  # a line of the log stream has a checkpoint among its fields
        return Checkpoint(
            line=_written({name: row[name] for name in _FIELDS}) if of_log else raw.decode("ascii").strip(),
            statement=row["statement"].encode("ascii"),
            signature=bytes.fromhex(row["signature"]),
            key=str(row["key"]),
            number=int(statement["number"]),
            sealed_at=datetime.fromisoformat(statement["sealed_at"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def newest() -> Checkpoint | None:
    """The last checkpoint of the first file that has one."""
    for path in files():
        with suppress(OSError):
            if (found := last(path)) is not None:
                return found
    return None


def last(path: Path) -> Checkpoint | None:
    """The newest checkpoint of a file; None where there is none, or the last line is none. Raises OSError."""
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _TAIL))
        lines = file.read().splitlines()
    return parse(lines[-1]) if lines else None


def _append(path: Path, text: str, number: int) -> None:
    try:
        with suppress(FileNotFoundError):
            found = last(path)
            if found is not None and found.number >= number:
                return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, text.encode("ascii") + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        logger.error("checkpoint not written to %s: %s", path, error.strerror, extra={"code": "AUDIT_CHECKPOINT"})


def _send(text: str) -> None:
    """To syslog, where one is configured. A datagram: it waits for no answer, and cannot hold up the sealing."""
    where: tuple[str, int] | str = settings.AUDIT_CHECKPOINT_SYSLOG
    if not where:
        return
    message = f"<{_AUTHPRIV_INFO}>clinchat.audit: {text}".encode("ascii")
    try:
        if isinstance(where, str):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as local:
                local.connect(where)
                local.send(message)
            return
        family, kind, protocol, _, address = socket.getaddrinfo(*where, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as remote:
            remote.sendto(message, address)
    except OSError as error:
        logger.error("checkpoint not sent to syslog: %s", error.strerror, extra={"code": "AUDIT_CHECKPOINT"})
