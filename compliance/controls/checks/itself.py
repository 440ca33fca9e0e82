"""Whether the checks are made, and could fail (45 CFR 164.308(a)(8), evaluation)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from clinchat.lib import clock
from compliance import metrics
from compliance.controls import proofs, standing
from compliance.controls.registry import CannotLook, Found, check, registered
from compliance.controls.running import TURNS
from compliance.controls.scoring import State

HEARTBEAT: Final = timedelta(minutes=10)
REPORTED_WITHIN: Final = timedelta(days=1)
"""Of the end of a month: the schedule makes its report in the first hour of the next, and tries again each hour."""


@check("compliance.scheduler_alive")
def scheduler_alive() -> Found:
    """No result is out of date, the schedule had its turn within ten minutes, and each month over has its report."""
    from compliance.reports import findings

    now = clock.now()
    gaps = [f"report of {month:%Y-%m}" for month in findings.gaps(now - REPORTED_WITHIN)]
    try:
        turn = metrics.last_at(TURNS)
    except metrics.Unavailable:
        raise CannotLook("Redis, where the schedule notes its turns, does not answer.") from None
    late = turn is None or not timedelta(seconds=-5) <= now - turn <= HEARTBEAT
    stands = [stand for row in standing.now().rows for stand in row.checks]
    stale = [stand.key for stand in stands if stand.state is State.STALE and stand.key != "compliance.scheduler_alive"]
    ago = (now - turn).total_seconds() if turn else 0.0
    said = f"last turn of the schedule {ago:.0f} s ago" if turn else "the schedule never had a turn"
    return Found(
        ok=not late and not stale and not gaps,
        observed=f"{len(stale)} of {len(stands)} results out of date; {said}; {len(gaps)} months without a report",
        subjects=len(stands) + 1 + len(gaps),
        failing=[*(["schedule"] if late else []), *stale, *gaps],
        evidence={"turn": turn.isoformat() if turn else None, "limit_minutes": HEARTBEAT.seconds // 60},
    )


@check("compliance.checks_can_fail")
def checks_can_fail() -> Found:
    """Each check that exists was turned red on purpose, in exactly the code that runs here."""
    try:
        unproven = proofs.unproven()
    except (OSError, ValueError, KeyError):
        raise CannotLook("the record of the mutation run is missing or cannot be read.") from None
    there = [key for key, one in registered().items() if one.look]
    absent = [key for key, one in registered().items() if not one.look]
    return Found(
        ok=not unproven,
        observed=f"{len(there) - len(unproven)} of {len(there)} checks were turned red; {len(absent)} do not exist yet",
        subjects=len(there),
        failing=unproven,
        evidence={"do_not_exist": list(absent)},
    )
