"""Read-only mode: who switches it, and how soon everybody knows.

While it is on, people read and sign in, and nothing else is written (compliance.continuity.write_guard says what is).
The state is read again when the epoch has moved (compliance.access.epoch): it works within two seconds in every
process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import F

from clinchat.lib import clock
from compliance.access import epoch
from compliance.models import Maintenance, PlannedMaintenance, User

Kind = Maintenance.Kind
SHOWN_BEFORE: Final = timedelta(hours=12)
"""So long before it begins every page says what is planned: each shift reads it."""
STALE_SECONDS: Final = 10.0
"""The state is read again after this time whatever the epoch says."""
_LOCK: Final = 0x6D61696E  # "main": one decision about it at a time


class Refused(Exception):
    """Nothing was switched. `words` say why, to the person."""

    words: ClassVar[str]


class AlreadyOn(Refused):
    words = "Read-only mode is on already. Nothing was changed."


class NotOn(Refused):
    words = "Read-only mode is not on. Nothing was changed."


class RestoreRuns(Refused):
    words = "A restore keeps ClinChat read-only. It ends when the restore is accepted or undone."


class Past(Refused):
    words = "Name a time in the future."


@dataclass(frozen=True, slots=True)
class Shown:
    """The mode that is on, as everybody may see it."""

    id: UUID
    kind: str
    reason: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Coming:
    """What is planned, as everybody may see it."""

    reason: str
    starts_at: datetime
    until: datetime


@dataclass(slots=True)
class _Known:
    """The state as this process last read it."""

    epoch: int = -1
    at: float = float("-inf")
    shown: Shown | None = None
    ended_at: datetime | None = None
    coming: Coming | None = None


_AS_IT_IS: Final[Any] = object()
_instead: ContextVar[Shown | None] = ContextVar("read_only_instead", default=_AS_IT_IS)
_known = _Known()
_reading = threading.Lock()


@transaction.atomic
def start(
    *, reason: str, actor: User | None = None, kind: Kind = Kind.MANUAL, until: datetime | None = None
) -> Maintenance:
    """Switch it on, in the caller's transaction; `actor` is None for a command. `reason` is shown to everybody, and the
    caller has masked it. Raises Past, AlreadyOn or RestoreRuns.

    A restore takes over what is on: a mode by hand ends and the restore's begins, the mode of a restore goes on.
    """
    if until is not None and until <= clock.now():
        raise Past
    one = _open_one()
    if one is not None:
        if kind != Kind.RESTORE:
            raise AlreadyOn if one.kind == Kind.MANUAL else RestoreRuns
        if one.kind == Kind.RESTORE:
            return one
        _close(one, actor)
    made = Maintenance.objects.create(kind=kind, reason=reason, started_by=actor, until=until)
    spread()
    return made


@transaction.atomic
def end(*, actor: User | None = None, kind: Kind = Kind.MANUAL) -> Maintenance:
    """Switch off what was switched on as `kind`, in the caller's transaction. Raises NotOn or RestoreRuns."""
    one = _open_one()
    if one is None:
        raise NotOn
    if one.kind != kind:
        raise RestoreRuns if one.kind == Kind.RESTORE else NotOn
    _close(one, actor)
    spread()
    return one


def current() -> Shown | None:
    """The mode that is on, or None. At most a second old; without a database, what was known before.

    Never raises for want of the database: nothing can be written there then.
    """
    instead = _instead.get()
    return _newest().shown if instead is _AS_IT_IS else instead


def on() -> bool:
    """Whether ClinChat is read-only now, as `current`."""
    return current() is not None


def coming() -> Coming | None:
    """What is planned and begins so soon that everybody is to see it; None otherwise. As new as `current`."""
    plan = _newest().coming
    return plan if plan is not None and plan.starts_at - clock.now() <= SHOWN_BEFORE else None


def just_over(within: timedelta) -> bool:
    """Whether the last one ended so short a time ago that what waited for it may not have had its turn."""
    ended_at = _newest().ended_at
    return ended_at is not None and clock.now() - ended_at < within


@contextmanager
def set_aside(mode: Shown | None = None) -> Iterator[None]:
    """Inside, and nowhere else, the mode is off, or `mode` is on.

    For migrations, for what a restore puts right, and for checks that undo all they do.
    """
    token = _instead.set(mode)
    try:
        yield
    finally:
        _instead.reset(token)


def spread() -> None:
    """Have every process read the state anew once the caller's transaction is committed."""
    epoch.bump()
    transaction.on_commit(forget)


def forget() -> None:
    """Read the state anew at the next question: this process has changed it, or what it saw was undone."""
    epoch.forget()
    _known.epoch = -1


def _newest() -> _Known:
    try:
        number = epoch.current()
        if _is_stale(number):
            with _reading:
                if _is_stale(number):  # unless another thread has read it meanwhile
                    _known.shown, _known.ended_at = _read()
                    _known.coming = _read_coming()
                    _known.epoch, _known.at = number, time.monotonic()
    except (DatabaseError, InterfaceError):
        pass
    return _known


def _is_stale(number: int) -> bool:
    """Whether what is known is not of this epoch, or too old."""
    return number != _known.epoch or time.monotonic() - _known.at > STALE_SECONDS


def _open_one() -> Maintenance | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    return Maintenance.objects.filter(ended_at=None).first()


def _close(one: Maintenance, actor: User | None) -> None:
    one.ended_at, one.ended_by = clock.now(), actor
    one.save(update_fields=["ended_at", "ended_by"])


def _read() -> tuple[Shown | None, datetime | None]:
    """What is on, or when the last one ended."""
    with transaction.atomic():  # going back to before 0.9 there is no such table: the caller's transaction goes on
        last = Maintenance.objects.order_by(F("ended_at").desc(nulls_first=True)).first()
    if last is None or last.ended_at is not None:
        return None, last.ended_at if last else None
    return Shown(last.pk, last.kind, last.reason, last.started_at, last.until), None


def _read_coming() -> Coming | None:
    with transaction.atomic():  # going back to before this table was made, as above
        plan = PlannedMaintenance.objects.filter(state=PlannedMaintenance.State.PLANNED).first()
    return Coming(plan.reason, plan.starts_at, plan.until) if plan else None
