"""The parts of an Office file: a ZIP archive that is read with a bound on everything it claims about itself."""

from __future__ import annotations

import zipfile
import zlib
from io import BytesIO
from typing import Any

from chat.corpus.formats import xml
from chat.corpus.formats.types import Malformed

MAX_ENTRIES = 10_000
MAX_PART = 60_000_000
MAX_TOTAL = 120_000_000
MAX_RATIO = 200
"""XML packs to a twentieth; a bomb packs to a thousandth."""
SMALL = 1_000_000
"""So much may come out of however little."""
STEP = 1 << 16


class Package:
    """Raises Malformed for an archive that is damaged, encrypted or would unpack to too much."""

    def __init__(self, content: bytes) -> None:
        self._unpacked = 0
        try:
            self._archive = zipfile.ZipFile(BytesIO(content))
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
            raise Malformed(0, "the file is damaged: it cannot be opened") from None
        if len(self._archive.infolist()) > MAX_ENTRIES:
            raise Malformed(0, f"the file has more than {MAX_ENTRIES:,} parts")

    def tree(self, name: str) -> Any:
        """The root element of a part; None when there is no such part."""
        content = self.read(name)
        try:
            return xml.tree(content) if content is not None else None
        except Malformed as problem:
            raise Malformed(0, f"its part {name} is damaged: {problem.what}") from None

    def read(self, name: str) -> bytes | None:
        try:
            info = self._archive.getinfo(name)
        except KeyError:
            return None
        if info.flag_bits & 1:
            raise Malformed(0, "the file has a password; save it without one")
        out = bytearray()
        try:
            with self._archive.open(info) as part:
                while step := part.read(STEP):
                    out += step
                    self._unpacked += len(step)
                    swollen = len(out) > SMALL and len(out) > MAX_RATIO * max(info.compress_size, 1)
                    if swollen or len(out) > MAX_PART or self._unpacked > MAX_TOTAL:
                        raise Malformed(0, "the file unpacks to far more than it holds, as a ZIP bomb does")
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError):
            raise Malformed(0, f"the file is damaged: its part {name} cannot be unpacked") from None
        return bytes(out)
