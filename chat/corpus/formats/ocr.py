"""Text of scanned pages, recognized by Debian's tesseract."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

from chat.corpus.formats.pdf_page import Line, Page, Segment
from chat.corpus.formats.types import Malformed

DPI = 300
MAX_PIXELS = 25_000_000
MAX_PAGES = 100
SECONDS_A_PAGE = 60
SURE = 50
"""Tesseract's confidence in percent; words below it are mostly specks and frames."""


def available() -> str:
    """The path of tesseract; empty where it is not installed."""
    return shutil.which("tesseract") or ""


def recognize(content: bytes, pages: list[Page]) -> None:
    """Fill pages with the lines that tesseract reads on them."""
    program = available()
    if not program:
        raise Malformed(0, "this is a scan, and text recognition (tesseract) is not installed here")
    if len(pages) > MAX_PAGES:
        raise Malformed(0, f"{len(pages):,} pages are scans; text recognition takes at most {MAX_PAGES}")
    import pypdfium2

    document = pypdfium2.PdfDocument(content)
    for page in pages:
        sheet = document[page.number - 1]
        width, height = sheet.get_size()
        scale = min(DPI / 72, (MAX_PIXELS / max(width * height, 1)) ** 0.5)
        picture = sheet.render(scale=scale, grayscale=True)
        header = f"P5 {picture.width} {picture.height} 255\n".encode()
        page.items = list(_lines(_run(program, header + _tight(picture)), page.number, scale))
        page.letters = sum(len(item.text) for item in page.items if isinstance(item, Line))
        page.unknown = 0
        sheet.close()


def _tight(picture: Any) -> bytes:
    """The gray pixels without what pads each row."""
    raw = bytes(picture.buffer)
    if picture.stride == picture.width:
        return raw
    return b"".join(raw[y * picture.stride : y * picture.stride + picture.width] for y in range(picture.height))


def _run(program: str, picture: bytes) -> str:
    command = [program, "stdin", "stdout", "-l", "eng", "--psm", "3", "tsv"]
    try:
        done = subprocess.run(command, input=picture, capture_output=True, timeout=SECONDS_A_PAGE, check=False)  # noqa: S603  # found on PATH, no argument from outside
    except subprocess.TimeoutExpired:
        raise Malformed(0, f"text recognition took longer than {SECONDS_A_PAGE} seconds for a page") from None
    if done.returncode:
        raise Malformed(0, "text recognition failed; it needs tesseract with its English data")
    return done.stdout.decode("utf-8", "replace")


def _lines(table: str, number: int, scale: float) -> list[Line]:
    """Lines of words, in tesseract's reading order; what it is unsure of is left out."""
    words: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in table.split("\n")[1:]:
        cells = row.split("\t")
        if len(cells) == 12 and cells[0] == "5" and cells[11].strip() and float(cells[10]) >= SURE:
            left, top, width, height = (int(cell) / scale for cell in cells[6:10])
            words.setdefault(tuple(cells[1:5]), []).append(
                {"text": cells[11].strip(), "x0": left, "x1": left + width, "top": top, "bottom": top + height}
            )
    lines = []
    for (_, block, _paragraph, _line), found in words.items():
        top, bottom = min(w["top"] for w in found), max(w["bottom"] for w in found)
        even = {"top": top, "bottom": bottom, "size": 10.0, "fontname": ""}
        segment = Segment([{**word, **even, "text": word["text"] + " "} for word in found])
        lines.append(Line([segment], number, float(block), 0.0))
    return lines
