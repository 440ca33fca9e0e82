"""Files as people send them, made in code."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from chat.corpus.formats import Malformed, Options, Problem, Reading, Source, registry, sniff

WIDTH, HEIGHT = 595, 842
Scan = tuple[int, int, bytes]
"""Width, height and gray pixels of the picture that fills a page."""
BLANK: Scan = (10, 10, b"\x80" * 100)


@dataclass
class Sheet:
    """A page of a PDF; y counts from the top."""

    ops: list[str] = field(default_factory=list)
    picture: bool = False

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = 10,
        bold: bool = False,
        color: tuple[float, float, float] = (0, 0, 0),
        mode: int = 0,
        rise: float = 0,
    ) -> Sheet:
        escaped = words.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        font = "F2" if bold else "F1"
        red, green, blue = color
        self.ops.append(
            f"BT /{font} {size} Tf {red} {green} {blue} rg {mode} Tr {rise} Ts "
            f"1 0 0 1 {x} {HEIGHT - y} Tm ({escaped}) Tj ET"
        )
        return self

    def lines(self, x: float, y: float, lines: Iterable[str], *, size: float = 10) -> Sheet:
        for i, line in enumerate(lines):
            self.text(x, y + i * size * 1.2, line, size=size)
        return self

    def box(self, x: float, y: float, width: float, height: float, color: tuple[float, float, float]) -> Sheet:
        red, green, blue = color
        self.ops.append(f"{red} {green} {blue} rg {x} {HEIGHT - y - height} {width} {height} re f")
        return self

    def grid(self, x: float, y: float, columns: list[float], rows: list[list[str]], *, height: float = 20) -> Sheet:
        """A table with ruled lines."""
        edges = [x + sum(columns[:i]) for i in range(len(columns) + 1)]
        for i in range(len(rows) + 1):
            level = HEIGHT - y - i * height
            self.ops.append(f"0.7 w {edges[0]} {level} m {edges[-1]} {level} l S")
        for edge in edges:
            self.ops.append(f"0.7 w {edge} {HEIGHT - y} m {edge} {HEIGHT - y - len(rows) * height} l S")
        for i, row in enumerate(rows):
            for edge, cell in zip(edges, row, strict=False):
                self.text(edge + 4, y + (i + 0.7) * height, cell)
        return self


def pdf(*sheets: Sheet, locked: bool = False, title: str = "", scan: Scan = BLANK) -> bytes:
    """A PDF of these pages with the fonts every reader has."""
    fonts = ("Helvetica", "Helvetica-Bold")
    objects: list[bytes] = [b"", b""]  # the catalog and the list of pages come last
    objects += [f"<< /Type /Font /Subtype /Type1 /BaseFont /{f} /Encoding /WinAnsiEncoding >>".encode() for f in fonts]
    width, height, gray = scan
    pixels = zlib.compress(gray)
    picture = f"<< /Type /XObject /Subtype /Image /Width {width} /Height {height} /BitsPerComponent 8 "
    picture += f"/ColorSpace /DeviceGray /Filter /FlateDecode /Length {len(pixels)} >>\nstream\n"
    objects.append(picture.encode() + pixels + b"\nendstream")
    kids = []
    for sheet in sheets:
        ops = sheet.ops + ([f"q {WIDTH} 0 0 {HEIGHT} 0 0 cm /Im1 Do Q"] if sheet.picture else [])
        content = "\n".join(ops).encode("cp1252")
        objects.append(f"<< /Length {len(content)} >>\nstream\n".encode() + content + b"\nendstream")
        resources = "<< /Font << /F1 3 0 R /F2 4 0 R >> /XObject << /Im1 5 0 R >> >>"
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] /Resources {resources}"
        objects.append(f"{page} /Contents {len(objects)} 0 R >>".encode())
        kids.append(f"{len(objects)} 0 R")
    objects[0] = b"<< /Type /Catalog /Pages 2 0 R >>"
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>".encode()
    extra = f"/Info << /Title ({title}) >>" if title else ""
    if locked:  # with a password that nobody knows
        key = "00" * 32
        extra += f" /Encrypt << /Filter /Standard /V 1 /R 2 /O <{key}> /U <{key}> /P -4 >> /ID [<00> <00>]"
    return _assembled(objects, extra)


def _assembled(objects: list[bytes], extra: str) -> bytes:
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{place:010d} 00000 n \n".encode() for place in places)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R {extra} >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def archive(parts: dict[str, bytes]) -> bytes:
    """A ZIP file of these parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return out.getvalue()


def locked_archive(content: bytes) -> bytes:
    """The same with the bit set that says its parts are encrypted."""
    out = bytearray(content)
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = out.find(magic)
        while at >= 0:
            (flags,) = struct.unpack_from("<H", out, at + offset)
            struct.pack_into("<H", out, at + offset, flags | 1)
            at = out.find(magic, at + 4)
    return bytes(out)


def parsed(content: bytes | str, name: str, *, ocr: bool = False) -> Reading:
    """A file as its parser reads it, in this process: fast. test_sandbox.py reads in the other."""
    raw = content.encode() if isinstance(content, str) else content
    try:
        return registry.parse(raw, sniff.media_type(raw, name), Options(name, ocr=ocr))
    except Malformed as problem:  # said before a parser is asked
        return Reading(problems=[Problem(name, problem.line, problem.what)])


def only(content: bytes | str, name: str) -> Source:
    """The one document in a file without problems."""
    reading = parsed(content, name)
    assert not reading.problems
    (source,) = reading.sources
    return source


def refusal(content: bytes | str, name: str) -> str:
    """Why a file is refused."""
    reading = parsed(content, name)
    assert not reading.sources
    return "; ".join(str(problem) for problem in reading.problems)
