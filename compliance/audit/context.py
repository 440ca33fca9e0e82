"""Who acts, for which request, from where: known to every event without being handed from call to call.

A request, a task and a command each bind their own context. It is a ContextVar restored by token, so contexts
nest, and no thread or task of the process sees another's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Final
from uuid import UUID

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from compliance.models import User


@dataclass(frozen=True, slots=True)
class AuditContext:
    actor: User | AnonymousUser | None = None
    correlation_id: UUID | None = None
    source: str | None = None
    session: str = ""


class _Outer(Enum):
    """Stands for "as it is outside": None is a value of its own."""

    OUTER = auto()


OUTER: Final = _Outer.OUTER
_NOBODY = AuditContext()
_context: ContextVar[AuditContext] = ContextVar("audit_context", default=_NOBODY)


def current() -> AuditContext:
    return _context.get()


@contextmanager
def bind(
    *,
    actor: User | AnonymousUser | _Outer | None = OUTER,
    correlation_id: UUID | _Outer | None = OUTER,
    source: str | _Outer | None = OUTER,
    session: str | _Outer = OUTER,
) -> Iterator[AuditContext]:
    """Events recorded inside carry these; what is not given stays as it is outside."""
    context = current()
    # Compared by identity: to ask the type of a request's user would look the person up in the database.
    if actor is not OUTER:
        context = replace(context, actor=actor)
    if correlation_id is not OUTER:
        context = replace(context, correlation_id=correlation_id)
    if source is not OUTER:
        context = replace(context, source=source)
    if session is not OUTER:
        context = replace(context, session=session)
    token = _context.set(context)
    try:
        yield context
    finally:
        _context.reset(token)


def session_digest(session_key: str | None) -> str:
    """Names a session in the trail without the key that would open it."""
    return hashlib.sha256(session_key.encode()).hexdigest() if session_key else ""
