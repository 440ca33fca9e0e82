"""What the page of one restore shows: how far it is, and what its reader may do with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from compliance.access import Action, allows
from compliance.attention import Tag
from compliance.continuity.restore import databases
from compliance.models import Backup, Restore, User

State = Restore.State
MOVING: Final = frozenset({State.APPROVED, State.RUNNING})
"""It goes on by itself."""
OVER: Final = frozenset({State.DONE, State.ACCEPTED, State.UNDONE})
STEPS: Final = {
    "read-only": "Read-only mode",
    "snapshot": "A snapshot of now, to be able to go back",
    "fetch": "The backup read and verified as a whole",
    "load": "Loaded into a database of its own",
    "freeze": "The last writes stopped",
    "keep": "Audit trail, people and their rights kept as they are",
    "finish": "Indexes, rules and rights",
    "check": "Compared with what the backup says it holds",
    "after": "What was withdrawn or removed since stays so",
    "switch": "Switched over",
}
"""In the order in which a restore takes them (restoring)."""
_LOOKS: Final = {
    State.REQUESTED: ("warn", "hourglass"),
    State.APPROVED: ("info", "hourglass"),
    State.RUNNING: ("info", "refresh-cw"),
    State.FAILED: ("crit", "circle-x"),
    State.DONE: ("warn", "triangle-alert"),
    State.ACCEPTED: ("ok", "circle-check"),
    State.CANCELLED: ("", "circle"),
    State.UNDONE: ("", "rotate-ccw"),
}
BROKEN_OFF: Final = Tag("crit", "octagon-alert", "Broke off")
YOURS: Final = "You asked for it; another person must approve."
NOT_YOUR_ROLE: Final = "Your role does not approve restores."


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a restore, in words. `now`: it is at this one, or failed there."""

    words: str
    done: bool
    now: bool


@dataclass(frozen=True, slots=True)
class Choices:
    """What somebody may do with a restore as it stands. `why_not` says why they do not approve it."""

    approve: bool
    why_not: str
    cancel: bool
    accept: bool
    undo: bool


def broken_off(restore: Restore) -> bool:
    """Whether its row says that it runs, and nobody carries it out: within a minute recovery.settle puts that right."""
    if restore.state != State.RUNNING:
        return False
    alive = databases.living()
    return alive is None or alive[0] != str(restore.pk)


def tag(restore: Restore) -> Tag:
    if broken_off(restore):
        return BROKEN_OFF
    look, icon = _LOOKS[State(restore.state)]
    return Tag(look, icon, restore.get_state_display())


def open_one() -> Restore | None:
    """The restore that is asked for, runs, or waits to be accepted. There is one at most."""
    return Restore.objects.filter(state__in=Restore.OPEN).select_related("backup", "requested_by").first()


def restorable(backup: Backup) -> bool:
    """Whether somebody can ask to go back to it. What it holds is verified again before anything is written."""
    return backup.kind == Backup.Kind.FULL and backup.state == Backup.State.COMPLETE and backup.verified_ok is not False


def step_of(restore: Restore) -> str:
    """Where it is. Of one that runs the server tells: its row is not written to any more towards the end."""
    alive = databases.living() if restore.state == State.RUNNING else None
    return alive.step if alive and alive.restore_id == str(restore.pk) else restore.step


def steps(restore: Restore) -> Sequence[Step]:
    """All of them, once it has begun: those that are done, and the one it is at or where it failed."""
    if restore.started_at is None:
        return []
    over, names, step = restore.state in OVER, list(STEPS), step_of(restore)
    at = names.index(step) if step in STEPS else 0
    return [Step(STEPS[name], over or n < at, not over and n == at) for n, name in enumerate(names)]


def choices(restore: Restore, user: User) -> Choices:
    """What this person may do with it now."""
    approves, asks = allows(user, Action.APPROVE_RESTORE), allows(user, Action.ASK_RESTORE)
    waits, own = restore.state == State.REQUESTED, restore.requested_by_id == user.pk
    return Choices(
        approve=waits and approves and not own,
        why_not=(YOURS if own else "" if approves else NOT_YOUR_ROLE) if waits else "",
        cancel=waits and asks,
        accept=restore.state == State.DONE and approves,
        undo=restore.state == State.DONE and asks and restore.before_id is not None,
    )
