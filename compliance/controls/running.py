"""Makes checks: each in a transaction that is rolled back, in its time, and whatever happens to it is a result."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import FrameType
from typing import Final

from django.db import connection, transaction
from psycopg.pq import TransactionStatus

from clinchat.lib import clock
from compliance import audit, metrics
from compliance.continuity import maintenance
from compliance.controls import catalogue, results, standing
from compliance.controls.registry import CannotLook, Found, Registered, registered
from compliance.logs.faults import kind
from compliance.models import CheckSchedule, ControlResult

logger = logging.getLogger("clinchat.controls")

EARLY: Final = timedelta(seconds=30)
"""A check whose turn comes within this is made now: the schedule looks once a minute."""
BUDGET: Final = 20.0
"""Seconds of checks that one turn of the schedule begins; the others wait for the next."""
TURNS: Final = metrics.CHECK_TURNS
"""Counted at each turn of the schedule; when that was last tells whether there still is one."""
_LOCK: Final = 0x636F6E74  # "cont"
_KEEPERS_LOCK: Final = 0x6B656570  # "keep"
State = ControlResult.State


class _TooLong(BaseException):
    """The time of a check is over. No check catches it."""


def run(keys: Iterable[str]) -> list[ControlResult]:
    """Make these checks now, keep what they found, and tell whoever has to know. Raises KeyError for an unknown key.

    Of a check that needs the backup key, where that is not, what the process that has it found last is returned.
    """
    known = catalogue.current().checks
    wanted = [known[key].key for key in keys]
    found = [_of_keeper(key) or _run(key) for key in wanted]
    standing.settle()
    return found


def run_all() -> list[ControlResult]:
    """Every check of the catalogue, the most frequent first."""
    return run(in_order(catalogue.current().checks))


def run_control(control_id: str) -> list[ControlResult]:
    """The checks of one control; none for one that the catalogue does not have."""
    control = catalogue.current().by_id.get(control_id)
    return run(check.key for check in control.checks) if control else []


def in_order(keys: Iterable[str]) -> list[str]:
    """The most frequent first, and as the catalogue has them."""
    known = catalogue.current().checks
    place = {key: number for number, key in enumerate(known)}
    return sorted(keys, key=lambda key: (known[key].minutes, place[key]))


def due(now: datetime) -> list[str]:
    """Checks whose turn it is, in order. A result from the future, as after a clock was set back, counts for none."""
    known = catalogue.current().checks
    own = {one.check_key: one.minutes for one in CheckSchedule.objects.all()}
    last = results.newest(known, [now])[now]
    return in_order(
        key
        for key, check in known.items()
        if key not in last
        or now - last[key].at >= timedelta(minutes=min(own.get(key, check.minutes), check.minutes)) - EARLY
    )


def run_due(*, keeper: bool = False) -> list[ControlResult]:
    """One turn of the schedule. While another process has its turn, this one has none.

    The `keeper`, which has the backup key, has turns of its own for the checks that need it.
    """
    with _alone(_KEEPERS_LOCK if keeper else _LOCK) as alone:
        if not alone:
            return []
        if not keeper:
            metrics.count(TURNS)
        began = time.monotonic()
        found = []
        for key in due(clock.now()):
            if _is_keepers(key) != keeper:
                continue
            if time.monotonic() - began > BUDGET:
                break
            found.append(_run(key))
        standing.settle()
        return found


@contextmanager
def _alone(lock: int) -> Iterator[bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [lock])
        (got,) = cursor.fetchone()
    try:
        yield bool(got)
    finally:
        if got:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [lock])


def _of_keeper(key: str) -> ControlResult | None:
    from compliance.continuity.storage import keys

    if not _is_keepers(key) or keys.available():
        return None
    return ControlResult.objects.filter(check_key=key).order_by("-started_at").first()


def _is_keepers(key: str) -> bool:
    one = registered().get(key)
    return one is not None and one.keeper


def _run(key: str) -> ControlResult:
    one = registered().get(key)
    started_at, began = clock.now(), time.perf_counter()
    state, found, why = _look(one)
    took = round((time.perf_counter() - began) * 1000)
    if state is State.ERROR:
        logger.warning("check %s could not be made", key, extra={"code": "CHECK_ERROR"})
    return results.keep(
        key=key,
        state=state,
        observed=why or (found.observed if found else ""),
        subjects=found.subjects if found else 0,
        failing=found.failing if found else (),
        evidence=found.evidence if found else None,
        started_at=started_at,
        duration_ms=took,
    )


def _look(one: Registered | None) -> tuple[ControlResult.State, Found | None, str]:
    """State, what was found, and what is said instead where it could not be made."""
    if one is None:
        return State.ERROR, None, "No part of ClinChat makes this check."
    if one.look is None:
        return State.ERROR, None, one.missing
    try:
        with _deadline(one.seconds), metrics.unused(), _undone(one):
            state, found, why = results.checked(one.look(), zero_ok=one.zero_ok)
    except CannotLook as reason:
        return State.ERROR, None, f"Could not look: {reason.words}"
    except results.Nonsense:
        return State.ERROR, None, "What the check returned makes no sense."
    except _TooLong:
        _drop_unusable()
        return State.ERROR, None, f"Not done after {one.seconds} seconds."
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # also SystemExit: whatever kept it from looking is not a pass
        _drop_unusable()
        return State.ERROR, None, f"Could not look: {kind(error)}."  # what the error says stays unsaid
    return state, found, f"Could not look: {why}." if why else ""


@contextmanager
def _undone(one: Registered) -> Iterator[None]:
    """Whatever a check writes is taken back; what it asks of the database ends in its time."""
    outermost = not connection.in_atomic_block
    with audit.bind(actor=None), maintenance.set_aside(), transaction.atomic():
        with connection.cursor() as cursor:
            if one.snapshot and outermost:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{one.seconds}s"])
        yield
        transaction.set_rollback(True)


@contextmanager
def _deadline(seconds: int) -> Iterator[None]:
    """Signals reach the main thread only; elsewhere the database's own timeout has to do."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(_signal: int, _frame: FrameType | None) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _drop_unusable() -> None:
    """A connection that was left in the middle of a statement answers nothing else."""
    own = connection.connection
    if own is not None and (own.closed or own.pgconn.transaction_status == TransactionStatus.ACTIVE):
        connection.close()
