"""Base backups (pg_basebackup) as one compressed tar stream, and their unpacking.

`unpack` verifies the files against the server's own backup_manifest (SHA-256 of each) as it writes them: no file may be
altered, missing or added. pg_verifybackup does the same, but would read everything a second time.
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
_CHUNK_BYTES = 2**20
_MAX_MANIFEST_BYTES = 64 * 2**20
_ARGUMENTS = (
    "--format=tar",
    "--pgdata=-",
    "--compress=client-gzip:1",  # in every build of PostgreSQL, unlike lz4 and zstd
    "--wal-method=none",  # WAL is shipped to the store anyway
    "--checkpoint=fast",
    "--manifest-checksums=SHA256",
    "--no-estimate-size",
)


@dataclass(frozen=True)
class WalRange:
    """The WAL that a base backup needs to become consistent: from LSN `start` to `end`, of one server and timeline."""

    system: str
    """The system identifier of the server (pg_control_system)."""
    timeline: int
    start: int
    end: int


def base_backup(*, conninfo: Mapping[str, str] | None = None) -> Iterator[bytes]:
    """A base backup as a gzip-compressed tar stream. `conninfo`: default is the live server.

    Raises ProgramMissing, and ProgramFailed after the last chunk.
    """
    return programs.stream("pg_basebackup", _ARGUMENTS, conninfo=conninfo)


def unpack(chunks: Iterable[bytes], folder: Path) -> WalRange:
    """Unpack a base backup into an empty data directory and verify it. Raises Altered, Missing and Truncated."""
    files: dict[str, tuple[int, str]] = {}
    manifest = b""
    try:
        with tarfile.open(fileobj=ChunkReader(chunks), mode="r|gz", bufsize=_CHUNK_BYTES) as tar:
            for member in tar:
                name = _safe_name(member.name)
                if member.isdir():
                    (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
                elif not member.isfile() or name in files:
                    raise Altered(name)
                elif name == MANIFEST:
                    manifest = _read_member(tar, member)
                else:
                    files[name] = _write_member(tar, member, folder / name)
    except (tarfile.ReadError, EOFError):
        raise Truncated("base.tar.gz") from None
    return _verify(manifest, files)


def _safe_name(name: str) -> str:
    """The normalized relative name of a member. Raises Altered where it points outside the folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise Altered("base.tar.gz")
    return str(path)


def _read_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    source = tar.extractfile(member)
    if source is None or member.size > _MAX_MANIFEST_BYTES:
        raise Altered(MANIFEST)
    return source.read()


def _write_member(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> tuple[int, str]:
    source = tar.extractfile(member)
    if source is None:
        raise Altered(member.name)
    digest, size = hashlib.sha256(), 0
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    with path.open("wb") as target:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            target.write(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def _verify(manifest: bytes, files: dict[str, tuple[int, str]]) -> WalRange:
    parsed = _parse_manifest(manifest)
    for entry in parsed["Files"]:
        name = entry["Path"] if "Path" in entry else bytes.fromhex(entry["Encoded-Path"]).decode(errors="replace")
        if name not in files:
            raise Missing(name)
        if files.pop(name) != (entry["Size"], entry.get("Checksum")):
            raise Altered(name)
    if files:
        raise Altered(next(iter(files)))
    (wal_range,) = parsed["WAL-Ranges"]
    return WalRange(
        system=str(parsed["System-Identifier"]),
        timeline=int(wal_range["Timeline"]),
        start=parse_lsn(wal_range["Start-LSN"]),
        end=parse_lsn(wal_range["End-LSN"]),
    )


def _parse_manifest(manifest: bytes) -> dict[str, Any]:
    """Parse a backup_manifest after checking its own checksum, which its last line holds."""
    lines, key, last = manifest.rpartition(b'"Manifest-Checksum"')
    if not key:
        raise Missing(MANIFEST)
    if hashlib.sha256(lines).hexdigest().encode() not in last:
        raise Altered(MANIFEST)
    parsed: dict[str, Any] = json.loads(manifest)
    return parsed


def parse_lsn(text: str) -> int:
    """An LSN in PostgreSQL's text form (0/03000028) as an integer: bytes from the beginning of the WAL."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def format_lsn(lsn: int) -> str:
    """An LSN in PostgreSQL's text form, the reverse of `parse_lsn`."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:08X}"


class ChunkReader(io.RawIOBase):
    """An iterable of chunks as a readable binary file, for tarfile."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        super().__init__()
        self._chunks = iter(chunks)
        self._buffer = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._buffer and (chunk := next(self._chunks, None)) is not None:
            self._buffer = memoryview(chunk)
        size = min(len(target), len(self._buffer))
        target[:size] = self._buffer[:size]
        self._buffer = self._buffer[size:]
        return size
