"""Who acts, for which request, from where: known to every event without being handed from call to call.

A request, a task and a command each bind their own context. It is a ContextVar restored by token, so contexts
nest, and no thread or task of the process sees another's. It travels on with a task in a signed header, and into
the database with each statement that writes (compliance.audit.triggers).
"""

from __future__ import annotations

import getpass
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from django.core import signing
from django.utils.functional import SimpleLazyObject

from clinchat import __version__
from compliance.models.events import ActorKind

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from compliance.models import User

_SALT = "compliance.audit.context"


@dataclass(frozen=True)
class AuditContext:
    """`actor` is a person, signed in or not; without one, `kind` and `name` say what acted by itself.

    `actor_id` is theirs where it is known before they are looked up: a task brings it along for its log lines.

    An empty `kind` means that nobody has said anything: a change made so is recorded as made from outside.
    """

    kind: str = ""
    name: str = ""
    actor: User | AnonymousUser | None = None
    actor_id: str = ""
    correlation_id: UUID | None = None
    source: str | None = None
    proxies: tuple[str, ...] = ()
    session: str = ""
    task_id: str = ""
    purpose: str = ""
    marks: tuple[tuple[str, str], ...] = ()
    """Entries that the detail of each event of the access lane has beside its own."""

    @cached_property
    def columns(self) -> dict[str, Any]:
        """The columns of an event that say who and whence. Looks the person up, if nobody has yet."""
        person = self.actor if self.actor is not None and self.actor.is_authenticated else None
        return {
            "actor_id": str(person.pk) if person else None,
            "actor_name": person.name if person else self.name,
            "actor_roles": sorted(person.roles) if person else [],
            "actor_kind": str(ActorKind.PERSON if self.actor is not None else self.kind or ActorKind.SERVICE),
            "session": self.session,
            "remote_addr": self.source,
            "proxies": list(self.proxies),
            "purpose": self.purpose,
            "correlation_id": str(self.correlation_id) if self.correlation_id else None,
            "task_id": self.task_id,
            "app_version": __version__,
        }

    @cached_property
    def as_json(self) -> str:
        """`columns` for the triggers of the database; empty when nobody has said who acts."""
        return json.dumps(self.columns) if self.kind or self.actor is not None else ""


OUTER: Final[Any] = object()
"""Stands for "as it is outside": None is a value of its own."""
_NOBODY = AuditContext()
_context: ContextVar[AuditContext] = ContextVar("audit_context", default=_NOBODY)


def current() -> AuditContext:
    return _context.get()


@contextmanager
def bind(
    *,
    actor: User | AnonymousUser | None = OUTER,
    actor_id: str = OUTER,
    kind: ActorKind = OUTER,
    name: str = OUTER,
    correlation_id: UUID | None = OUTER,
    source: str | None = OUTER,
    proxies: tuple[str, ...] = OUTER,
    session: str = OUTER,
    task_id: str = OUTER,
    purpose: str = OUTER,
) -> Iterator[AuditContext]:
    """Events recorded inside carry these; what is not given stays as it is outside."""
    given: dict[str, Any] = {
        "actor": actor,
        "actor_id": "" if actor is not OUTER and actor_id is OUTER else actor_id,
        "kind": kind,
        "name": name,
        "correlation_id": correlation_id,
        "source": source,
        "proxies": proxies,
        "session": session,
        "task_id": task_id,
        "purpose": purpose,
    }
    # Compared by identity: to compare a request's user with anything would look the person up in the database.
    context = replace(current(), **{key: value for key, value in given.items() if value is not OUTER})
    token = _context.set(context)
    try:
        yield context
    finally:
        _context.reset(token)


def amend(*, purpose: str, marks: Mapping[str, str]) -> None:
    """From here to the end of the innermost `bind`, events carry this purpose, and `marks` in their detail.

    For what is known only once the object was fetched, as an emergency access is. Raises RuntimeError where nothing is
    bound: it would never end.
    """
    context = current()
    if context is _NOBODY:
        raise RuntimeError("audit.amend outside of audit.bind")
    _context.set(replace(context, purpose=purpose, marks=(*context.marks, *marks.items())))


@contextmanager
def bind_command(words: list[str]) -> Iterator[AuditContext]:
    """What a management command does is done by the account of the operating system that runs it."""
    name = f"manage.py {words[0] if words else ''}".strip()
    with bind(kind=ActorKind.COMMAND, name=f"{name} ({_account()})", actor=None, correlation_id=uuid4()) as context:
        yield context


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's account need not have a name
        return "unnamed account"


def carry() -> str:
    """The context as a signed header of a task: ids only, readable by whoever reads the queue, and not forgeable."""
    context = current()
    person = context.actor if context.actor is not None and context.actor.is_authenticated else None
    return signing.dumps(
        {
            "actor": str(person.pk) if person else None,
            "kind": str(context.kind),
            "name": context.name,
            "correlation": str(context.correlation_id) if context.correlation_id else None,
            "source": context.source,
            "proxies": list(context.proxies),
            "session": context.session,
            "purpose": context.purpose,
        },
        salt=_SALT,
    )


@contextmanager
def bind_task(*, name: str, task_id: str, header: str | None) -> Iterator[AuditContext]:
    """The context its sender had; a task nobody in particular sent is the schedule's.

    A header that was not signed here is as none.
    """
    carried: dict[str, Any] = {}
    if header:
        try:
            carried = signing.loads(header, salt=_SALT)
        except signing.BadSignature:
            carried = {}
    correlation = carried.get("correlation")
    with bind(
        actor=_person(carried["actor"]) if carried.get("actor") else None,
        actor_id=carried.get("actor") or "",
        kind=ActorKind(carried.get("kind") or ActorKind.SCHEDULE),
        name=carried.get("name") or name,
        correlation_id=UUID(correlation) if correlation else uuid4(),
        source=carried.get("source"),
        proxies=tuple(carried.get("proxies", ())),
        session=carried.get("session", ""),
        task_id=task_id,
        purpose=carried.get("purpose", ""),
    ) as context:
        yield context


def _person(user_id: str) -> Any:
    """Looked up when an event needs the name, and not before."""
    from compliance.models import User

    return SimpleLazyObject(lambda: User.objects.get(pk=user_id))


def session_digest(session_key: str | None) -> str:
    """Names a session in the trail without the key that would open it."""
    return hashlib.sha256(session_key.encode()).hexdigest() if session_key else ""
