"""Find and mask: normal form, detectors, one resolution, repeats, a second resolution, tokens. Fails closed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TypeVar

from compliance.phi.adapter import Scan, build_scan
from compliance.phi.detectors import ages, clinical, contacts, dates, identifiers, names, places
from compliance.phi.merge import resolve
from compliance.phi.normalise import Normal, normalise
from compliance.phi.propagate import again
from compliance.phi.tokens import put_tokens
from compliance.phi.types import Entity, Masked, PhiUnavailable, Span

T = TypeVar("T")

MAX_CHARS = 50_000
_ROUNDS = 4  # repeats of repeats settle after one or two
_DETECTORS = {
    "clinical": clinical.detect,
    "dates": dates.detect,
    "ages": ages.detect,
    "contacts": contacts.detect,
    "identifiers": identifiers.detect,
    "places": places.detect,
    "names": names.detect,
}
_building = threading.Lock()
_scans: list[Scan] = []


def warm() -> None:
    """Load every list and library, so that the first question does not pay for it."""
    _closed(lambda: _spans("Mr. Warm Up, 01/02/2003", ()))


def find(text: str) -> tuple[Span, ...]:
    """The identifiers of a text: sorted, disjoint, offsets into the text as given. Raises PhiUnavailable."""
    return _closed(lambda: _spans(text, ()))


def mask(text: str, known: Iterable[Entity] = ()) -> Masked:
    """The text with a token for each identifier; `known` are the conversation's entities so far.

    The same value (case and possessive aside) keeps its token. Raises PhiUnavailable when masking cannot be done.
    """
    entities = tuple(known)
    return _closed(lambda: put_tokens(text, _spans(text, entities), entities))


def _closed(work: Callable[[], T]) -> T:
    """Run, or fail without a trace of the text: raised outside the handler, the error has no context either."""
    result: list[T] = []
    with suppress(Exception):  # whatever failed, the answer is the same and must not quote the text
        result.append(work())
    if not result:
        raise PhiUnavailable("Identifiers could not be looked for in this text.") from None
    return result[0]


def _spans(text: str, known: tuple[Entity, ...]) -> tuple[Span, ...]:
    if len(text) > MAX_CHARS:
        raise ValueError
    normal = normalise(text)
    if len(normal.text) > 2 * MAX_CHARS:
        raise ValueError  # single characters that stand for whole phrases
    candidates = _scan()(normal.text)
    spans = resolve(normal.text, candidates)
    for _ in range(_ROUNDS):
        before = spans
        spans = resolve(normal.text, [*candidates, *again(normal.text, before, known)])
        if spans == before:
            break
    return _original(normal, spans)


def _original(normal: Normal, spans: Iterable[Span]) -> tuple[Span, ...]:
    """Spans in the text as given; two that meet inside one of its characters become one."""
    out: list[Span] = []
    for span in spans:
        start, end = normal.original(span.start, span.end)
        if out and start < out[-1].end:
            out[-1] = Span(out[-1].start, max(end, out[-1].end), out[-1].label)
        else:
            out.append(Span(start, end, span.label))
    return tuple(out)


def _scan() -> Scan:
    """One scan for the process, built once by whoever comes first."""
    if not _scans:
        with _building:
            if not _scans:
                _scans.append(build_scan(_DETECTORS))
    return _scans[0]
