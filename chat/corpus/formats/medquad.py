"""MedQuAD XML: questions and answers of the US health institutes, one disease a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from chat.corpus.formats import fields, xml
from chat.corpus.formats.canonical import Writer
from chat.corpus.formats.types import MARKDOWN, Malformed, Options, Source

BREAK = re.compile(r"\n[ \t]*\n\s*|\n[ \t]{4,}|[ \t]{3,}|(?:\n[ \t]*|[ \t]{2,})(?=[-*•][ \t])")
"""Where lines of the page that was read ended: it kept them as runs of spaces."""
ITEM = re.compile(r"[-*•]\s+(?=\S)")
LICENCE = "CC BY 4.0 (MedQuAD, Ben Abacha & Demner-Fushman 2019)"


def parse(content: bytes, options: Options) -> Iterator[tuple[int, Source | Malformed]]:
    """One document for each answer: the disease is its title, the kind of question its section.

    Questions whose answer is empty are passed over: MedQuAD has them where it may not pass the answer on.
    """
    root = xml.tree(content)
    focus = xml.text(xml.find(root, "Focus"))
    pairs = list(xml.find_all(root, "QAPairs/QAPair")) or [e for e in root.iter() if xml.name(e) == "QAPair"]
    if not pairs or not focus:
        raise Malformed(1, "the file has no Focus or no question with an answer")
    answered = False
    for number, pair in enumerate(pairs, 1):
        source = _pair(root, focus, pair, number, options)
        if source is not None:
            answered = True
            yield pair.sourceline or 1, source
    if not answered:
        raise Malformed(1, "none of the questions has an answer")


def _pair(root: Any, focus: str, pair: Any, number: int, options: Options) -> Source | None:
    question, answer = xml.find(pair, "Question"), xml.find(pair, "Answer")
    body = "".join(answer.itertext()) if answer is not None else ""
    if not body.strip():
        return None
    writer = Writer()
    _write(writer, body)
    text, _ = writer.render()
    publisher = " ".join((root.get("source") or "MedQuAD").split())
    which = (question.get("qid") if question is not None else None) or f"{root.get('id') or options.name}-{number}"
    kind = (question.get("qtype") if question is not None else None) or ""
    return Source(
        external_id=fields.cut(fields.identifier(f"{publisher}-{which}"), "external_id"),
        title=fields.cut(focus, "title"),
        text=text,
        format=MARKDOWN,
        section=fields.cut(kind.replace("_", " ").capitalize(), "section"),
        kind="condition",
        source=fields.cut(f"{publisher} via MedQuAD", "source"),
        url=fields.web(root.get("url") or ""),
        licence=LICENCE,
        hidden=tuple(writer.hidden),
    )


def _write(writer: Writer, body: str) -> None:
    for piece in BREAK.split(body.replace("\r\n", "\n").strip()):
        text = " ".join(piece.split())
        if match := ITEM.match(text):
            writer.item(text[match.end() :])
        elif text:
            writer.paragraph(text)
