"""Requests that are refused before anybody is judged: a form of another session, a body that is too large.

Whoever sends them need not be signed in, so each address leaves one event of each kind a minute, however many it sends:
nobody fills the trail from outside.
"""

from __future__ import annotations

from compliance import audit
from compliance.access import counters

SECONDS = 60


def note(code: audit.Code, *, why: str) -> None:
    """Put the refusal on record, by the person and from the address of the audit context."""
    source = audit.current().source
    try:
        news = counters.once(f"refused:{why}:{counters.digest(counters.neighborhood(source))}", SECONDS)
    except counters.Unavailable:  # rather twice than never
        news = True
    if news:
        audit.record(code=code, action=audit.Crude.EXECUTE, outcome=audit.Outcome.DENIED, detail={"step": why})
