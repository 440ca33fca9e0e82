"""The one way from what a person typed to what is kept, searched, logged or sent: through `mask` or `note`.

Nothing else in ClinChat asks compliance.phi to mask; tests/guards/test_free_text.py holds that. It adds to the plain
masker what a hospital needs around it: its own words, the count of what was found, and a record of each failure.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable

from django.db import DatabaseError

from clinchat.lib.keys import KeysUnavailable, Unsealable
from compliance import audit, logs, mask_terms, metrics, phi
from compliance.audit import lifecycle

OBJECT_TYPE = "compliance.phi"
_drafts = threading.BoundedSemaphore(4)


def mask(text: str, known: Iterable[phi.Entity] = (), *, where: str) -> phi.Masked:
    """`phi.mask` with the hospital's own terms. `where` names the place in the product, never anything of the text.

    Raises phi.PhiUnavailable, on record: then the text goes nowhere.
    """
    began = time.perf_counter()
    try:
        phi.use_terms(_terms())
        masked = phi.mask(text, known)
    except phi.PhiUnavailable:
        failed(where=where)
        raise
    metrics.observe(metrics.SECONDS, time.perf_counter() - began)
    metrics.count_many(metrics.DETECTIONS, Counter(str(span.label) for span in masked.spans))
    logs.phi_detected(masked.spans, where=where)
    return masked


def preview(text: str) -> tuple[phi.Span, ...]:
    """What would be masked, for a warning while somebody types: not counted, not logged.

    Raises phi.PhiUnavailable, also when others type: questions go first.
    """
    if not _drafts.acquire(blocking=False):
        raise phi.PhiUnavailable
    try:
        phi.use_terms(_terms())
        return phi.find(text)
    finally:
        _drafts.release()


def note(text: str, known: Iterable[phi.Entity] = (), *, where: str) -> str:
    """Free text of staff, masked for good: a word for its class stands for each identifier, and no value is kept.

    `known` are the entities of the conversation it is about, if any. Raises phi.PhiUnavailable, on record.
    """
    masked = mask(text, known, where=where) if text else None
    if masked is None:
        return ""
    pieces: list[str] = []
    at = 0
    for span in masked.spans:
        pieces += (text[at : span.start], f"[{phi.label_words[span.label].lower()}]")
        at = span.end
    return "".join((*pieces, text[at:]))


def start(process: str) -> None:
    """Load the masker before the first question of a process. If it is not sound the portal runs without it: every text
    is refused, and why is on record."""
    try:
        phi.warm()
    except phi.PhiUnavailable as error:
        _count(where="word-lists" if isinstance(error, phi.LexiconError) else "self-test")
        lifecycle.unsound(process, object_type=OBJECT_TYPE)


def ready() -> bool:
    """Whether a text would be masked now."""
    try:
        phi.warm()
        _terms()
    except (phi.PhiUnavailable, DatabaseError):  # the terms are in the database
        return False
    return True


def failed(*, where: str) -> None:
    """Count and record that a text could not be masked."""
    _count(where=where)
    audit.record(
        code=audit.Code.INPUT_VALIDATION_FAIL,
        action=audit.Crude.EXECUTE,
        outcome=audit.Outcome.FAILURE,
        object_type=OBJECT_TYPE,
        detail={"step": "masking", "where": where},
    )


def _terms() -> phi.Terms:
    """The hospital's own words; one that cannot be opened is one that might have been masked."""
    try:
        return mask_terms.current()
    except (Unsealable, KeysUnavailable):
        raise phi.PhiUnavailable from None


def _count(*, where: str) -> None:
    metrics.count(metrics.FAILURES)
    logs.phi_failed(where=where)
