"""Find and mask: normal form, detectors, one resolution, repeats, a second resolution, tokens. Fails closed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TypeVar

from compliance.phi import local, selftest
from compliance.phi.adapter import Scan, build_scan
from compliance.phi.detectors import ner as _ner
from compliance.phi.lexicon import lexicon
from compliance.phi.merge import resolve
from compliance.phi.normalise import Normal, normalise
from compliance.phi.propagate import again
from compliance.phi.tokens import LOOSE, put_tokens, tokens_of
from compliance.phi.types import Entity, Label, Masked, PhiUnavailable, Span, Terms

T = TypeVar("T")

MAX_CHARS = 100_000
"""Characters of a text; a longer one is refused."""
_AT_ONCE = 32
"""Texts worked on at the same time. One that never ends keeps its place, so that they cannot pile up."""
_ROUNDS = 4  # repeats of repeats settle after one or two


@dataclass(slots=True)
class _State:
    """What a process decides once: replaced as a whole, read without a lock."""

    ner: bool = True
    deadline_seconds: float = 10.0
    terms: Terms = field(default_factory=Terms)


_state = _State()
_building = threading.Lock()
_testing = threading.Lock()
_scans: list[Scan] = []
_places = threading.BoundedSemaphore(_AT_ONCE)


def configure(*, ner: bool, deadline_seconds: float) -> None:
    """Whether the named-entity model is asked as well, and after how long a text is given up."""
    _state.ner, _state.deadline_seconds = ner, deadline_seconds


def ner_active() -> bool:
    return _state.ner


def use_terms(terms: Terms) -> None:
    """The hospital's own words from now on."""
    _state.terms = terms


def warm() -> None:
    """Load every list and library and run the self-test, unless this process did; the first text would do it else.

    Raises LexiconError where a list is missing or was changed, and PhiUnavailable where the self-test fails.
    """
    lexicon()
    _closed(lambda: None)


def self_test() -> selftest.SelfTest:
    """Mask what must be masked and keep what must be kept, without the hospital's own words; never raises.

    After a failure every text is refused, until a later self-test passes.
    """
    return selftest.run(lambda text: _masked(text, (), Terms()))


def find(text: str) -> tuple[Span, ...]:
    """The identifiers of a text: sorted, disjoint, offsets into the text as given. Raises PhiUnavailable."""
    return _closed(lambda: _spans(text, (), _state.terms))


def mask(text: str, known: Iterable[Entity] = ()) -> Masked:
    """The text with a token for each identifier; `known` are the conversation's entities so far.

    The same person, day or number keeps its token. Raises PhiUnavailable when masking cannot be done.
    """
    entities = tuple(known)
    return _closed(lambda: _masked(text, entities, _state.terms))


def _closed(work: Callable[[], T]) -> T:
    """Run within the deadline, or fail without a trace of the text: raised here, the error has no context either.

    On a thread of its own: one that hangs is left behind, and does not keep the process from ending.
    """
    result: list[T] = []
    done = threading.Event()
    places = _places

    def run() -> None:
        with suppress(BaseException):  # whatever failed, the answer is the same and must not quote the text
            result.append(work())
        places.release()
        done.set()

    in_time = False
    if _sound():
        until = time.monotonic() + _state.deadline_seconds
        if places.acquire(timeout=_state.deadline_seconds):
            threading.Thread(target=copy_context().run, args=(run,), name="phi", daemon=True).start()
            # A pattern that runs wild lets no other thread of the process go on, so this one may wake up too late.
            in_time = done.wait(until - time.monotonic()) and time.monotonic() < until
    if not in_time or not result:
        raise PhiUnavailable("Identifiers could not be looked for in this text.")
    return result[0]


def _sound() -> bool:
    """Whether everything is there and the self-test has passed. That this process does once; no deadline counts it."""
    with suppress(Exception):
        _scan()
        lexicon()
        if _state.ner:
            _ner.load()
        with _testing:
            return (selftest.last() or self_test()).ok
    return False


def _masked(text: str, known: tuple[Entity, ...], terms: Terms) -> Masked:
    """Raises ValueError where the tokens could not be told from the text, rather than lose a character of it."""
    masked = put_tokens(text, _spans(text, known, terms), known)
    if tuple(tokens_of(masked.text)) != masked.tokens:
        raise ValueError
    return masked


def _spans(text: str, known: tuple[Entity, ...], terms: Terms) -> tuple[Span, ...]:
    if len(text) > MAX_CHARS:
        raise ValueError
    normal = normalise(text)
    if len(normal.text) > 2 * MAX_CHARS:
        raise ValueError  # single characters that stand for whole phrases
    _ner.use(on=_state.ner)
    candidates = [*_scan()(normal.text), *local.detect(normal.text, terms)]
    spans = resolve(normal.text, candidates)
    for _ in range(_ROUNDS):
        before = spans
        spans = resolve(normal.text, [*candidates, *again(normal.text, before, known)])
        if spans == before:
            break
    return tuple(_with_tokens(text, _original(normal, spans)))


def _with_tokens(text: str, spans: Iterable[Span]) -> Iterator[Span]:
    """Whatever reads like a token is masked as well: none in a masked text was typed by a person."""
    typed = [match.span() for match in LOOSE.finditer(text)]
    for span in spans:
        while typed and typed[0][0] < span.start:
            start, end = typed.pop(0)
            yield Span(start, min(end, span.start), Label.OTHER_ID)
        while typed and typed[0][1] <= span.end:
            typed.pop(0)
        yield span
    yield from (Span(start, end, Label.OTHER_ID) for start, end in typed)


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
                # Hundreds of patterns, which most commands have no text for: a fifth of their start.
                from compliance.phi.families import DETECTORS

                _scans.append(build_scan(DETECTORS))
    return _scans[0]
