"""The hospital's own words for masking, as every process knows them: a second after a term was approved or ended.

Words are opened once in each process. How they come to be is in compliance.term_changes.
"""

from __future__ import annotations

import threading
import time
from typing import Final
from uuid import UUID

from django.db.models import Count, Max
from django.db.models.functions import Greatest

from compliance.models import MaskTerm
from compliance.phi import Label, Terms

FRESH_SECONDS: Final = 1.0
Status = MaskTerm.Status


class _Seen:
    """The terms as this process last read them."""

    lock = threading.Lock()
    at = float("-inf")
    terms = Terms()
    words: dict[UUID, str] = {}


def current() -> Terms:
    """The approved terms, at most a second old. Uses a database connection at most once a second in each process.

    While one thread asks, others go on with the terms before. Raises what the database or the keys raise.
    """
    if time.monotonic() - _Seen.at >= FRESH_SECONDS and _Seen.lock.acquire(blocking=_Seen.at < 0):
        try:
            version = _version()
            if version != _Seen.terms.version:
                _Seen.terms = _read(version)
            _Seen.at = time.monotonic()
        finally:
            _Seen.lock.release()
    return _Seen.terms


def _version() -> str:
    """Another one whenever a term was approved or ended, and the same in all processes."""
    found = MaskTerm.objects.filter(status__in=[Status.APPROVED, Status.ENDED]).aggregate(
        # Moments are of before the commit, so two changes can show in either order: each is counted by itself.
        count=Count("pk"),
        ended=Count("ended_at"),
        last=Max(Greatest("decided_at", "ended_at")),
    )
    return f"{found['count']} {found['ended']} {found['last'].isoformat()}" if found["last"] else ""


def _read(version: str) -> Terms:
    """The terms themselves; only words that are new to this process are opened."""
    approved = list(MaskTerm.objects.approved().values_list("pk", "kind", "label"))
    new = MaskTerm.objects.in_bulk([pk for pk, _, _ in approved if pk not in _Seen.words])
    _Seen.words = {pk: new[pk].words if pk in new else _Seen.words[pk] for pk, _, _ in approved}
    used = [(kind, label, words) for pk, kind, label in approved if (words := _Seen.words[pk])]  # ended just now: none
    return Terms(
        version,
        mask=tuple((Label(label), words) for kind, label, words in used if kind == MaskTerm.Kind.MASK),
        keep=tuple(words for kind, _, words in used if kind == MaskTerm.Kind.KEEP),
    )
