"""A stored text as a page to read, with the quoted words marked where they stand."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.urls import reverse

from chat.corpus import structure
from chat.models import DocumentVersion

SNIPPET = 240


@dataclass(frozen=True)
class Run:
    """A piece of text that is either marked or not."""

    text: str
    marked: bool


@dataclass(frozen=True)
class Block:
    """A paragraph or, with `item`, one entry of a list. `first` carries the anchor of the mark."""

    runs: tuple[Run, ...]
    item: bool
    first: bool


@dataclass(frozen=True)
class Section:
    anchor: str
    heading: str
    level: int
    blocks: tuple[Block, ...]


def sections(version: DocumentVersion, *, marked: tuple[int, int] | None = None) -> list[Section]:
    """The text in sections and paragraphs; what lies between the offsets `marked` is marked in each of them."""
    text = version.text
    left, right = marked or (0, 0)
    markdown = version.format == DocumentVersion.Format.MARKDOWN
    found = []
    anchored = False
    for number, part in enumerate(structure.parts(text, markdown=markdown, section=version.section), 1):
        blocks = []
        for start, end in structure.paragraphs(text, part.start, part.end):
            marker = structure.MARKER.match(text, start, end)
            body = marker.end() if marker else start
            cuts = [body, min(max(left, body), end), min(max(right, body), end), end]
            pieces = zip(cuts, cuts[1:], (False, True, False), strict=False)
            runs = tuple(Run(text[a:b], mark) for a, b, mark in pieces if a < b)
            hit = any(run.marked for run in runs)
            blocks.append(Block(runs, item=marker is not None, first=hit and not anchored))
            anchored = anchored or hit
        found.append(Section(f"p-{number}", part.heading, min(max(part.level, 2), 4), tuple(blocks)))
    return found


def snippet(text: str) -> str:
    """The beginning of a passage on one line, cut at a word; attributions and list markers are left out."""
    spans = [text[start:end] for start, end in structure.sentences(text)]
    line = " ".join(" ".join(s for s in spans if not structure.is_attribution(s)).split())
    return line if len(line) <= SNIPPET else line[:SNIPPET].rsplit(" ", 1)[0] + "…"


def address(document_id: UUID) -> str:
    return reverse("document", args=[document_id])
