"""What reading a document gives, whatever the format. Plain Python: the process that parses imports no Django."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

MAX_BYTES = 25_000_000
"""The largest file a person may upload."""
MAX_CHARS = 5_000_000
"""The longest text one document may have."""
MAX_PAGES = 500
MAX_DOCUMENTS = 5_000
"""How many documents one uploaded file of a bundling format (JATS set, MedQuAD, openFDA) may hold."""
EXCERPT = 200

TEXT, MARKDOWN = "text", "markdown"
KINDS = ("monograph", "condition", "protocol", "policy", "guideline", "article")
GRADES = ("high", "moderate", "low", "very_low")
"""Certainty of evidence (GRADE, Guyatt et al. 2008, BMJ 336:924)."""
LIMITS = {
    "external_id": 200,
    "title": 500,
    "text": MAX_CHARS,
    "section": 300,
    "kind": 20,
    "specialty": 100,
    "source": 500,
    "url": 1000,
    "licence": 300,
    "owner": 200,
    "evidence_grade": 20,
}
"""The most characters of each field of a document."""


@dataclass(frozen=True)
class Hidden:
    """Text that was left out because a reader of the original would not see it; `how` names the trick."""

    how: str
    excerpt: str
    page: int | None = None


@dataclass(frozen=True)
class Source:
    """One document as understood, before anything is stored. Citations are offsets into `text`."""

    external_id: str
    title: str
    text: str
    format: str = TEXT
    """MARKDOWN where headings, lists and tables stand in the text; TEXT for rows taken as they are."""
    section: str = ""
    kind: str = "article"
    specialty: str = ""
    source: str = ""
    url: str = ""
    licence: str = ""
    owner: str = ""
    evidence_grade: str = ""
    """One of GRADES or empty."""
    effective_from: date | None = None
    reviewed: date | None = None
    review_by: date | None = None
    pages: tuple[int, ...] = ()
    """The offset in `text` at which each page begins; empty when the source has no pages."""
    hidden: tuple[Hidden, ...] = ()


@dataclass(frozen=True)
class Problem:
    """What is wrong and where; `line` counts from 1 and is 0 when the file as a whole is meant."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.what}" if self.line else f"{self.file}: {self.what}"

    @property
    def sentence(self) -> str:
        """For a page that names the file elsewhere."""
        text = f"Line {self.line}: {self.what}" if self.line else f"{self.what[:1].upper()}{self.what[1:]}"
        return text if text.endswith((".", "?", "!")) else f"{text}."


@dataclass
class Reading:
    """All documents of a path, or all problems found in it. `media_type` is what the content is, of a single file."""

    sources: list[Source] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    media_type: str = ""


@dataclass(frozen=True)
class Options:
    """How one file is to be read. `front_matter` refuses Markdown without it, as the command always has."""

    name: str
    ocr: bool = False
    front_matter: bool = False


class Malformed(Exception):
    """A row or file does not follow the format; `line` (0: the whole file) and `what` say where and how."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line, self.what = line, what
