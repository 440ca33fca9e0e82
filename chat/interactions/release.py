"""A release of the table as files: those in the image, in a folder, or packed to be kept in the database.

Every file is checked against the SHA-256 its manifest states, before anything of it is used.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

SHIPPED: Final = Path(__file__).parent / "data"
MANIFEST: Final = "manifest.json"
FILES: Final = (
    "drugs.jsonl",
    "combinations.jsonl",
    "classes.jsonl",
    "aliases.jsonl",
    "rules.jsonl",
    "findings.jsonl",
    "ndfrt.txt",
)
MOST_BYTES: Final = 32 * 1024 * 1024
"""Of one file, so that a packed release cannot fill the memory."""
MOST_PACKED: Final = 16 * 1024 * 1024
_EPOCH = (1980, 1, 1, 0, 0, 0)


class Damaged(Exception):
    """A release that cannot be used. `reason` names the file and what is wrong with it, for its reader."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Release:
    """The files of a release, sound as their manifest says. `sha256` is that of the manifest, so of all of them."""

    manifest: Mapping[str, Any]
    files: Mapping[str, bytes]
    sha256: str

    @property
    def version(self) -> str:
        return str(self.manifest["version"])

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The objects of a JSON lines file. Raises Damaged."""
        try:
            return [json.loads(line) for line in self.files[name].splitlines()]
        except ValueError:
            raise Damaged(f"{name} is not JSON lines.") from None

    def packed(self) -> bytes:
        """The release as one ZIP file, the same bytes for the same release."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, data in ((MANIFEST, self.files[MANIFEST]), *((n, self.files[n]) for n in FILES)):
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED, 9)
        return buffer.getvalue()


@cache
def shipped() -> Release:
    """The release in the image. Raises Damaged."""
    return read(SHIPPED)


def read(folder: Path) -> Release:
    """A release from a folder. Raises Damaged."""
    try:
        sizes = {name: (folder / name).stat().st_size for name in (MANIFEST, *FILES)}
        for name, size in sizes.items():
            if size > MOST_BYTES:
                raise Damaged(f"{name} is too large.")
        return _checked({name: (folder / name).read_bytes() for name in sizes})
    except OSError as error:
        raise Damaged(f"{Path(str(error.filename or folder)).name} cannot be read.") from None


def unpack(packed: bytes) -> Release:
    """A release from the bytes `packed` made. Raises Damaged."""
    if len(packed) > MOST_PACKED:
        raise Damaged(f"The file is larger than {MOST_PACKED // 1024**2} MB.")
    files = {}
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            for name in (MANIFEST, *FILES):
                with archive.open(name) as file:
                    files[name] = file.read(MOST_BYTES + 1)
    except KeyError:
        raise Damaged(f"The file lacks {name}.") from None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError):
        raise Damaged("The file is not a ZIP file of a release.") from None
    return _checked(files)


def digest(pairs: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 over the full list of pairs, each as JSON with sorted keys on a line of its own."""
    total = hashlib.sha256()
    for pair in pairs:
        total.update(json.dumps(pair, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    return total.hexdigest()


def _checked(files: dict[str, bytes]) -> Release:
    try:
        manifest = json.loads(files[MANIFEST])
        listed = {name: manifest["files"][name]["sha256"] for name in FILES}
        version, pairs = manifest["version"], manifest["pairs"]["sha256"]
    except (ValueError, KeyError, TypeError):
        raise Damaged(f"{MANIFEST} is not the manifest of a release.") from None
    if not (isinstance(version, str) and 0 < len(version) <= 40 and version.isascii() and isinstance(pairs, str)):
        raise Damaged(f"{MANIFEST} states no usable version.")
    for name, expected in listed.items():
        if len(files[name]) > MOST_BYTES:
            raise Damaged(f"{name} is too large.")
        if hashlib.sha256(files[name]).hexdigest() != expected:
            raise Damaged(f"{name} is not what {MANIFEST} says: its SHA-256 differs.")
    return Release(manifest, files, hashlib.sha256(files[MANIFEST]).hexdigest())
