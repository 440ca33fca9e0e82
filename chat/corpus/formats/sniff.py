"""What a file is, by its content. The name only tells apart kinds of plain text, and is held against the content."""

from __future__ import annotations

import json
import re
import zipfile
from io import BytesIO

from chat.corpus.formats.types import Malformed

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
HTML = "text/html"
MARKDOWN = "text/markdown"
PLAIN = "text/plain"
ROWS = "application/jsonl"
OPENFDA = "application/json"
JATS = "application/jats+xml"
PUBMED = "application/pubmed+xml"
MEDQUAD = "application/medquad+xml"

SUFFIXES = {
    ".jsonl": ROWS,
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".txt": PLAIN,
    ".text": PLAIN,
    ".html": HTML,
    ".htm": HTML,
    ".xhtml": HTML,
    ".pdf": PDF,
    ".docx": DOCX,
    ".xml": "",
    ".nxml": "",
    ".json": OPENFDA,
}
"""Names of files that are looked into when a folder is read; XML tells its kind by its first element."""
NAMES = {
    PDF: "a PDF",
    DOCX: "a Word document",
    HTML: "a web page",
    MARKDOWN: "Markdown",
    PLAIN: "plain text",
    ROWS: "rows of JSON",
    OPENFDA: "openFDA drug labels",
    JATS: "a JATS article",
    PUBMED: "PubMed records",
    MEDQUAD: "MedQuAD questions",
}
ACCEPTED = "PDF, DOCX, HTML, Markdown, plain text, JATS or PubMed XML, MedQuAD XML, openFDA label JSON or JSONL"
FOREIGN = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an older Office file, or one with a password; save it as .docx without one"),
    (b"{\\rtf", "an RTF file; save it as .docx"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"II*\x00", "a picture"),
    (b"MM\x00*", "a picture"),
    (b"\x1f\x8b", "a compressed file; unpack it first"),
    (b"BZh", "a compressed file; unpack it first"),
    (b"\xfd7zXZ", "a compressed file; unpack it first"),
    (b"7z\xbc\xaf", "a compressed file; unpack it first"),
    (b"Rar!", "a compressed file; unpack it first"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
ROOTS = {
    "html": HTML,
    "article": JATS,
    "pmc-articleset": JATS,
    "PubmedArticleSet": PUBMED,
    "PubmedArticle": PUBMED,
    "Document": MEDQUAD,
}
_ROOT = re.compile(r"<(?:\w+:)?([\w.-]+)")
_PAGE = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_MARKUP = re.compile(r"</?(?:p|div|h[1-6]|table|ul|ol|section|article|main|span|br)\b[^<>]*>", re.IGNORECASE)
_START = 65_536
ZIP_END = b"PK\x05\x06"


def media_type(content: bytes, name: str) -> str:
    """One of the types above. Raises Malformed with what the file is instead."""
    suffix = ("." + name.rpartition(".")[2].lower()) if "." in name else ""
    if not content.strip():
        raise Malformed(0, "the file is empty")
    if b"%PDF-" in content[:1024]:
        return _pdf(content)
    if content[:4] == b"PK\x03\x04":
        return _zip(content)
    for magic, what in FOREIGN:
        if content.startswith(magic):
            raise Malformed(0, f"this is {what}")
    found = _text(content, suffix)
    if (claimed := SUFFIXES.get(suffix, PLAIN)) in {PDF, DOCX}:
        raise Malformed(0, f"the name says that this is {NAMES[claimed]}, but it holds {NAMES[found]}")
    return found


def _pdf(content: bytes) -> str:
    """A file that is something else as well is read by each program as what it likes: nobody sees all of it."""
    if not content.lstrip(b"\xef\xbb\xbf \t\r\n\x00").startswith(b"%PDF-"):
        raise Malformed(0, "this is a PDF and something else at once")
    if ZIP_END in content[content.rfind(b"%%EOF") :][-_START:]:
        raise Malformed(0, "this is a PDF and a ZIP archive at once")
    return PDF


def _zip(content: bytes) -> str:
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        raise Malformed(0, "the file is damaged: it begins like a Word document but cannot be opened") from None
    if "word/document.xml" in names:
        return DOCX
    if any(name.startswith("xl/") for name in names):
        raise Malformed(0, "this is a workbook; save the sheet as a document or PDF")
    if any(name.startswith("ppt/") for name in names):
        raise Malformed(0, "this is a presentation; save it as PDF")
    raise Malformed(0, "this is a ZIP archive; unpack it and take the documents one by one")


def _text(content: bytes, suffix: str) -> str:
    start = beginning(content)
    if start is None:
        raise Malformed(0, f"the file is not UTF-8 text, and not {ACCEPTED}")
    claimed = SUFFIXES.get(suffix)
    if claimed in {ROWS, MARKDOWN}:
        return claimed
    if start.startswith("<"):
        return _markup(start, suffix)
    if claimed == HTML:
        return HTML
    if start[:1] in {"{", "["} and claimed != PLAIN:
        return _json(start)
    if start.startswith(("---\n", "---\r\n")):
        return MARKDOWN
    return _plain(suffix, claimed)


def _plain(suffix: str, claimed: str | None) -> str:
    if claimed == "":
        raise Malformed(1, "the name says that this is XML, but it does not begin with an element")
    if claimed == OPENFDA:
        raise Malformed(1, "the name says that this is JSON, but it does not begin like it")
    if claimed is None and suffix:
        raise Malformed(0, f"files that end in {suffix[:20]} are not read; take {ACCEPTED}")
    return PLAIN


def beginning(content: bytes) -> str | None:
    """The first characters of what is text; None for anything else."""
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:  # XML and HTML may be UTF-16
        start = content[: _START - _START % 2].decode("utf-16", "replace")
        return start.lstrip("\ufeff \t\r\n") if "<" in start[:200] and "\x00" not in start else None
    start = content[:_START].decode("utf-8-sig", "replace")
    # A page or XML may name another encoding; anything else that is not UTF-8 is not guessed at.
    if "\x00" in start or ("\ufffd" in start[:-4] and not start.lstrip().startswith("<")):
        return None
    return start.lstrip()


def _markup(start: str, suffix: str) -> str:
    element = _first_element(start)
    if _PAGE.match(start) or _PAGE.match(element):
        return HTML
    match = _ROOT.match(element)
    root = match[1] if match else ""
    if root in ROOTS:
        return ROOTS[root]
    claimed = SUFFIXES.get(suffix)
    if claimed == HTML or (claimed != "" and _MARKUP.match(element)):
        return HTML
    if claimed == PLAIN and not start.startswith("<?xml"):
        return PLAIN
    named = f" whose first element is “{root[:40]}”" if root else ""
    raise Malformed(1, f"this is XML{named}; only JATS articles, PubMed records and MedQuAD questions are read")


def _first_element(start: str) -> str:
    """What follows the declaration, comments and document type."""
    rest = start
    while rest.startswith(("<?", "<!")):
        if rest.startswith("<!--"):
            end = "-->"
        elif rest.startswith("<?"):
            end = "?>"
        else:
            end = "]>" if "[" in rest.split(">", 1)[0] else ">"
        rest = rest.partition(end)[2].lstrip()
    return rest


def _json(start: str) -> str:
    """Rows have a whole object on their first line."""
    first = start.split("\n", 1)[0]
    try:
        row = json.loads(first)
    except (ValueError, RecursionError):
        return OPENFDA
    return ROWS if isinstance(row, dict) and "results" not in row else OPENFDA
