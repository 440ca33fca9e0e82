"""Markdown: a front matter with the document's fields, then the text as it is, without what a reader would not see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from chat.corpus.formats import fields
from chat.corpus.formats.types import EXCERPT, GRADES, KINDS, MARKDOWN, MAX_CHARS, Hidden, Malformed, Options, Source

FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)^---[ \t]*\r?\n", re.DOTALL | re.MULTILINE)
NAMED = ("id", "title", "kind", "specialty", "source", "url", "licence", "owner", "evidence_grade")
MAX_FRONT_MATTER = 20_000
DATES = ("effective_from", "reviewed", "review_by")
HEADING = re.compile(r"^#{1,6}[ \t]+(\S.*?)[ \t#]*$", re.MULTILINE)
UNDERLINED = re.compile(r"^(?=\S)(?![#>|*-]|\d+[.)] )(.{1,200})\n(=|-)\2{2,}[ \t]*$", re.MULTILINE)
COMMENT = re.compile(r"<!--(.*?)(?:-->|\Z)", re.DOTALL)
ACTIVE = re.compile(
    r"<(script|style|iframe|object|embed|form|template|noscript|svg|math|head|title)\b[^<>]{0,2000}>.*?(?:</\1\s*>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
ELEMENT = re.compile(r"<([a-z]\w{0,20})\b([^<>]{1,2000})>", re.IGNORECASE)
UNSEEN = re.compile(
    r"(?:^|\s)hidden\b|display\s*:\s*none|visibility\s*:\s*hidden|(?:font-size|opacity)\s*:\s*0(?![.\d])|"
    r"(?<!-)color\s*:\s*(?:white|\#fff)|text-indent\s*:\s*-\d{3,}|(?:left|top)\s*:\s*-\d{3,}",
    re.IGNORECASE,
)
"""What makes an element with these attributes invisible."""
BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
TAG = re.compile(
    r"</?(?:a|abbr|address|article|aside|b|big|blockquote|body|button|caption|center|cite|code|col|colgroup|dd|del|"
    r"details|dfn|div|dl|dt|em|embed|figcaption|figure|font|footer|form|h[1-6]|header|hr|html|i|iframe|img|input|ins|"
    r"kbd|label|li|link|main|mark|meta|nav|object|ol|option|p|param|picture|pre|q|s|samp|script|section|select|small|"
    r"source|span|strike|strong|style|sub|summary|sup|svg|table|tbody|td|template|textarea|tfoot|th|thead|tr|tt|u|ul|"
    r"var|video|audio|wbr)\b(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)


def parse(content: bytes, options: Options) -> Iterator[tuple[int, Source | Malformed]]:
    """One document: YAML front matter between --- lines, then Markdown."""
    text = fields.utf8(content).replace("\r\n", "\n")
    match = FRONT_MATTER.match(text)
    if match and match.end() > MAX_FRONT_MATTER:
        raise Malformed(1, f"the front matter is longer than {MAX_FRONT_MATTER:,} characters")
    if match is None and options.front_matter:
        raise Malformed(1, "front matter between two --- lines is missing at the top")
    row = _front_matter(match[1]) if match else {}
    start = match.end() if match else 0
    if "\x00" in text[start:]:
        raise Malformed(text.count("\n", 0, text.index("\x00", start)) + 1, "the text holds a NUL character")
    body, hidden = visible(text[start:])
    described = _described(row, body, options)
    if not body.strip():
        raise Malformed(text.count("\n", 0, start) + 1, "the document has no text")
    if len(body) > MAX_CHARS:
        raise Malformed(0, f"the text is longer than {MAX_CHARS:,} characters")
    dates = {name: fields.day(row, name) for name in DATES}
    text = body.strip("\n") + "\n"
    yield 1, fields.source(described, text=text, format=MARKDOWN, hidden=tuple(hidden), **dates)


def _described(row: Any, body: str, options: Options) -> dict[str, str]:
    """The fields of the front matter; what an upload leaves out comes from its text and name."""
    if isinstance(row, dict) and not options.front_matter:
        first = HEADING.search(body)
        title = fields.cut(first[1], "title") if first else fields.title_of(options.name)
        absent = {"id": fields.identifier(options.name), "title": title, "source": "", "url": "", "licence": ""}
        row = {**absent, **{name: value for name, value in row.items() if value is not None}}
    found = fields.strings(row, NAMED, line=1)
    if not found["title"]:
        raise Malformed(1, "the field “title” is empty")
    if found.get("kind", KINDS[0]) not in KINDS:
        raise Malformed(1, f"kind must be one of {', '.join(KINDS)}")
    if found.get("evidence_grade") and found["evidence_grade"] not in GRADES:
        raise Malformed(1, f"evidence_grade must be one of {', '.join(GRADES)}")
    return found


def visible(text: str) -> tuple[str, list[Hidden]]:
    """The text without HTML: what it hides is listed, what it runs is gone, the rest keeps its words."""
    hidden: list[Hidden] = []
    if "<" in text:
        text = COMMENT.sub(lambda match: _hide("comment", match[1], hidden), text)
        text = ACTIVE.sub("", text)
        text = _without_unseen(text, hidden)
        text = TAG.sub("", BREAK.sub(" ", text))
    return UNDERLINED.sub(lambda m: f"{'#' if m[2] == '=' else '##'} {m[1]}", text), hidden


def _without_unseen(text: str, hidden: list[Hidden]) -> str:
    kept: list[str] = []
    at = 0
    for match in ELEMENT.finditer(text):
        if match.start() >= at and UNSEEN.search(match[2]):
            close = re.compile(rf"</{match[1]}\s*>", re.IGNORECASE).search(text, match.end())
            kept.append(text[at : match.start()])
            _hide("hidden element", text[match.end() : close.start() if close else len(text)], hidden)
            at = close.end() if close else len(text)
    return "".join((*kept, text[at:]))


def _hide(how: str, text: str, hidden: list[Hidden]) -> str:
    if words := " ".join(TAG.sub(" ", text[:5_000]).split()):
        hidden.append(Hidden(how, words[:EXCERPT]))
    return ""


def _front_matter(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else 1
        raise Malformed(line, "the front matter is not valid YAML") from None
    except (yaml.YAMLError, RecursionError, ValueError):
        raise Malformed(1, "the front matter is not valid YAML") from None
