"""Tokens such as [NAME-1]: given out, and turned back. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from compliance.phi.identity import key, name_words
from compliance.phi.types import Entity, Label, Masked, Segment, Span

TOKEN = re.compile(rf"\[(?P<label>{'|'.join(Label)})-(?P<number>[1-9][0-9]{{0,8}})\]")
_LABEL = "|".join(label.replace("_", "[ _-]") for label in Label)
_NUMBER = r"(?P<{}>[1-9][0-9]{{0,8}})"
LOOSE = re.compile(
    rf"(?P<escaped>\\)?\[ ?(?i:(?P<a>{_LABEL}))[ _\u2010-\u2015-]{{0,2}}{_NUMBER.format('n')} ?(?(escaped)\\)\]"
    rf"|(?<![\w[-])(?P<b>{_LABEL})[_\u2010-\u2015-]{_NUMBER.format('m')}(?![\w-])"
)
"""A token as a model may write it: [Name 1], \\[NAME_1\\], NAME-1's. Typed by a person it is masked like a value."""
LONGEST = 40
"""No match of LOOSE has more characters."""


def put_tokens(text: str, spans: Sequence[Span], known: Iterable[Entity]) -> Masked:
    """Replace each span by its token; what was met before keeps its token, a new one counts on from the highest."""
    book = _Book(known)
    entries = [book.entry(span.label, text[span.start : span.end]) for span in spans]
    pieces: list[str] = []
    at = 0
    for span, entity in zip(spans, entries, strict=True):
        pieces += (text[at : span.start], entity.token)
        at = span.end
    return Masked(
        text="".join((*pieces, text[at:])),
        spans=tuple(spans),
        tokens=tuple(entity.token for entity in entries),
        spellings=tuple(entity.spelling for entity in entries),
        new=tuple(book.new),
    )


class _Book:
    """The entities of a conversation, by their exact value and by what makes two values the same."""

    def __init__(self, known: Iterable[Entity]) -> None:
        self.new: list[Entity] = []
        self._exact: dict[tuple[Label, str], Entity] = {}
        self._token: dict[tuple[Label, str], str] = {}
        self._spellings: dict[str, int] = defaultdict(int)
        self._last: dict[Label, int] = defaultdict(int)
        self._people: dict[str, set[frozenset[str]]] = defaultdict(set)
        for entity in known:
            self._keep(entity)

    def entry(self, label: Label, value: str) -> Entity:
        found = self._exact.get((label, value))
        if found is None:
            token = self._token.get((label, key(label, value))) or self._person(label, value) or self._next(label)
            found = Entity(token, label, value, self._spellings[token])
            self.new.append(found)
            self._keep(found)
        return found

    def _keep(self, entity: Entity) -> None:
        self._spellings[entity.token] = max(self._spellings[entity.token], entity.spelling + 1)
        self._last[entity.label] = max(self._last[entity.label], _number(entity.token))
        if entity.value:  # else kept no longer: its token stays taken
            self._exact.setdefault((entity.label, entity.value), entity)
            self._token.setdefault((entity.label, key(entity.label, entity.value)), entity.token)
            if entity.label is Label.NAME:
                self._people[entity.token].add(name_words(entity.value))

    def _person(self, label: Label, value: str) -> str | None:
        """The one person a part of whose name this is, or of whose name it is the whole; nobody where it may be two."""
        words = name_words(value) if label is Label.NAME else frozenset()
        if not words:
            return None
        same = [token for token, names in self._people.items() if any(n and (words <= n or n <= words) for n in names)]
        return same[0] if len(same) == 1 else None

    def _next(self, label: Label) -> str:
        return f"[{label}-{self._last[label] + 1}]"


def restore(text: str, entities: Iterable[Entity], spellings: Sequence[int] = ()) -> str:
    """The text with its values back; with the spellings of a Masked exactly as it was written.

    A value is never looked at again, so a value that reads like a token is safe.
    """
    return "".join(segment.text for segment in segments(text, entities, spellings))


def segments(text: str, entities: Iterable[Entity], spellings: Sequence[int] = ()) -> tuple[Segment, ...]:
    """A text in pieces; where a token of these entities stood, the piece holds the value. Others stay as they are.

    `spellings` says which spelling each token of the text has, in order; without it each has the first.
    """
    value_of = _values(entities)
    found: list[Segment] = []
    at = 0
    for nth, match in enumerate(LOOSE.finditer(text)):
        values = value_of.get(canonical(match))
        if values:
            if match.start() > at:
                found.append(Segment(text[at : match.start()]))
            wanted = spellings[nth] if nth < len(spellings) else 0
            found.append(Segment(values.get(wanted) or next(iter(values.values())), canonical(match)))
            at = match.end()
    if at < len(text):
        found.append(Segment(text[at:]))
    return tuple(found)


def restoring(chunks: Iterable[str], entities: Iterable[Entity]) -> Iterator[Segment]:
    """As `segments`, for a text that arrives in pieces: a token split between two of them is held until it is whole."""
    known = tuple(entities)
    held = ""
    for chunk in chunks:
        held += chunk
        cut = _safe(held)
        yield from segments(held[:cut], known)
        held = held[cut:]
    yield from segments(held, known)


def tokens_of(text: str) -> list[str]:
    """The tokens of a masked text, in order."""
    return [canonical(match) for match in LOOSE.finditer(text)]


def without_tokens(text: str) -> str:
    """The words that are left of a masked text, for searching: tokens mean nothing to a library."""
    return LOOSE.sub(" ", text)


def as_token(text: str) -> str:
    """A token in the form they have today; until 0.3 they were written [NAME_1]. Anything else is left as it is."""
    match = LOOSE.fullmatch(text)
    return canonical(match) if match else text


def canonical(match: re.Match[str]) -> str:
    """The token a loose one stands for."""
    label = (match["a"] or match["b"]).upper().replace(" ", "_").replace("-", "_")
    return f"[{label}-{match['n'] or match['m']}]"


def _safe(held: str) -> int:
    """Where the text can be cut: behind a space, in no token, and so far from the end that none begins before it."""
    inside = [match.span() for match in LOOSE.finditer(held)]
    cut = max(0, len(held) - LONGEST)
    while cut and not (held[cut - 1].isspace() and all(end <= cut or cut <= start for start, end in inside)):
        cut -= 1
    return cut


def _values(entities: Iterable[Entity]) -> dict[str, dict[int, str]]:
    values: dict[str, dict[int, str]] = {}
    for entity in sorted(entities, key=lambda e: e.spelling):
        if entity.value:
            values.setdefault(entity.token, {}).setdefault(entity.spelling, entity.value)
    return values


def _number(token: str) -> int:
    match = TOKEN.fullmatch(token)
    return int(match["number"]) if match else 0
