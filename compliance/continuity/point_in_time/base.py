"""Copies of the database server's files, and how one is laid out again.

PostgreSQL sends with them a list of what it sent, with the SHA-256 of each. A copy is laid out only where every file is
the one on the list, and none is missing or too many; pg_verifybackup would do the same in a second reading.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from compliance.continuity import programs
from compliance.continuity.refusals import Altered, Missing, Truncated

MANIFEST = "backup_manifest"
_PIECE = 2**20
_LONGEST_LIST = 64 * 2**20
_ARGUMENTS = (
    "--format=tar",
    "--pgdata=-",
    "--compress=client-gzip:1",  # a copy is the largest thing in a store; faster ones are not in every build
    "--wal-method=none",  # the log is in the store anyway
    "--checkpoint=fast",
    "--manifest-checksums=SHA256",
    "--no-estimate-size",
)


@dataclass(frozen=True)
class Stretch:
    """The log without which a copy is no database: from where it began to where it ended."""

    system: str
    timeline: int
    start: int
    end: int


def base_copy(*, where: Mapping[str, str] | None = None) -> Iterator[bytes]:
    """All of the server's files as one compressed tar file, `where` libpq's names say; the live one unless told.

    Raises ProgramMissing, and ProgramFailed after the last piece.
    """
    return programs.stream("pg_basebackup", _ARGUMENTS, where=where)


def unpack(chunks: Iterable[bytes], folder: Path) -> Stretch:
    """Lay the copy out in an empty folder. Raises Altered, Missing and Truncated."""
    found: dict[str, tuple[int, str]] = {}
    told = b""
    try:
        with tarfile.open(fileobj=Pieces(chunks), mode="r|gz", bufsize=_PIECE) as tar:
            for member in tar:
                name = _inside(member.name)
                if member.isdir():
                    (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
                elif not member.isfile() or name in found:
                    raise Altered(name)
                elif name == MANIFEST:
                    told = _bytes(tar, member)
                else:
                    found[name] = _write(tar, member, folder / name)
    except (tarfile.ReadError, EOFError):
        raise Truncated("base.tar.gz") from None
    return _compare(told, found)


def _inside(name: str) -> str:
    """The name below the folder; one that leads out of it was made by nobody we know."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise Altered("base.tar.gz")
    return str(path)


def _bytes(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    source = tar.extractfile(member)
    if source is None or member.size > _LONGEST_LIST:
        raise Altered(MANIFEST)
    return source.read()


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> tuple[int, str]:
    source = tar.extractfile(member)
    if source is None:
        raise Altered(member.name)
    digest, size = hashlib.sha256(), 0
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    with path.open("wb") as target:
        while piece := source.read(_PIECE):
            digest.update(piece)
            target.write(piece)
            size += len(piece)
    return size, digest.hexdigest()


def _compare(told: bytes, found: dict[str, tuple[int, str]]) -> Stretch:
    listed = _read(told)
    for entry in listed["Files"]:
        name = entry["Path"] if "Path" in entry else bytes.fromhex(entry["Encoded-Path"]).decode(errors="replace")
        if name not in found:
            raise Missing(name)
        if found.pop(name) != (entry["Size"], entry.get("Checksum")):
            raise Altered(name)
    if found:
        raise Altered(next(iter(found)))
    (stretch,) = listed["WAL-Ranges"]
    return Stretch(
        system=str(listed["System-Identifier"]),
        timeline=int(stretch["Timeline"]),
        start=position(stretch["Start-LSN"]),
        end=position(stretch["End-LSN"]),
    )


def _read(told: bytes) -> dict[str, Any]:
    """The list, once its own checksum is right: that of all its lines but the last."""
    lines, mark, last = told.rpartition(b'"Manifest-Checksum"')
    if not mark:
        raise Missing(MANIFEST)
    if hashlib.sha256(lines).hexdigest().encode() not in last:
        raise Altered(MANIFEST)
    listed: dict[str, Any] = json.loads(told)
    return listed


def position(lsn: str) -> int:
    """A place in the log as PostgreSQL writes it (pg_lsn: 0/03000028), as a number of bytes."""
    high, _, low = lsn.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def written(place: int) -> str:
    """A number of bytes as PostgreSQL writes that place in the log."""
    return f"{place >> 32:X}/{place & 0xFFFFFFFF:08X}"


class Pieces(io.RawIOBase):
    """Pieces of bytes as one file, for tarfile to read from."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        super().__init__()
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._rest and (chunk := next(self._chunks, None)) is not None:
            self._rest = memoryview(chunk)
        size = min(len(target), len(self._rest))
        target[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
