"""Tokens such as [NAME_1]: given out, and turned back. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from compliance.phi.types import Entity, Label, Masked, Segment, Span

TOKEN = re.compile(r"\[(?:" + "|".join(Label) + r")_[0-9]{1,9}\]")


def fold_value(value: str) -> str:
    """What makes two spellings one entity: case and a possessive do not count."""
    folded = value.casefold()
    for tail in ("'s", "\u2019s"):
        folded = folded.removesuffix(tail)
    return folded


def put_tokens(text: str, spans: Sequence[Span], known: Iterable[Entity]) -> Masked:
    """Replace each span by its token; a value met before keeps its token, a new one counts on from the highest."""
    token_of: dict[tuple[Label, str], str] = {}
    last: dict[Label, int] = {}
    for entity in known:
        token_of.setdefault((entity.label, fold_value(entity.value)), entity.token)
        last[entity.label] = max(last.get(entity.label, 0), _number(entity.token))
    new: list[Entity] = []
    tokens: list[str] = []
    pieces: list[str] = []
    at = 0
    for span in spans:
        value = text[span.start : span.end]
        key = (span.label, fold_value(value))
        if key not in token_of:
            last[span.label] = last.get(span.label, 0) + 1
            token_of[key] = f"[{span.label}_{last[span.label]}]"
            new.append(Entity(token_of[key], span.label, value))
        tokens.append(token_of[key])
        pieces += (text[at : span.start], token_of[key])
        at = span.end
    return Masked("".join((*pieces, text[at:])), tuple(spans), tuple(tokens), tuple(new))


def segments(text: str, entities: Iterable[Entity]) -> tuple[Segment, ...]:
    """Masked text in pieces; where a token of these entities stood, the piece holds the value. Others stay tokens."""
    value_of = {entity.token: entity.value for entity in entities}
    found: list[Segment] = []
    at = 0
    for match in TOKEN.finditer(text):
        token = match.group()
        if token in value_of:
            if match.start() > at:
                found.append(Segment(text[at : match.start()]))
            found.append(Segment(value_of[token], token))
            at = match.end()
    if at < len(text):
        found.append(Segment(text[at:]))
    return tuple(found)


def restore(text: str, entities: Iterable[Entity]) -> str:
    """The text with its values back. A value is never looked at again, so a value that reads like a token is safe.

    One token has one value, the spelling met first: "LOPEZ" after "Lopez" comes back as "Lopez".
    """
    return "".join(segment.text for segment in segments(text, entities))


def _number(token: str) -> int:
    digits = token.rstrip("]").rpartition("_")[2]
    return int(digits) if digits.isascii() and digits.isdigit() else 0
