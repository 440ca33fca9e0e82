"""How a restore is presented on pages and in the API: tag, progress by step, and the actions a person may take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from compliance.access import Action, allows
from compliance.attention import Tag
from compliance.continuity.restore import databases
from compliance.models import Backup, Restore, User

State = Restore.State
IN_PROGRESS: Final = frozenset({State.APPROVED, State.RUNNING})
"""It proceeds without anybody's decision."""
SWITCHED_OVER: Final = frozenset({State.DONE, State.ACCEPTED, State.UNDONE})
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
"""Name and text of each step, in order (restoring._Attempt.execute)."""
_TAGS: Final = {
    State.REQUESTED: ("warn", "hourglass"),
    State.APPROVED: ("info", "hourglass"),
    State.RUNNING: ("info", "refresh-cw"),
    State.FAILED: ("crit", "circle-x"),
    State.DONE: ("warn", "triangle-alert"),
    State.ACCEPTED: ("ok", "circle-check"),
    State.CANCELLED: ("", "circle"),
    State.UNDONE: ("", "rotate-ccw"),
}
INTERRUPTED: Final = Tag("crit", "octagon-alert", "Broke off")
OWN_REQUEST: Final = "You asked for it; another person must approve."
NOT_YOUR_ROLE: Final = "Your role does not approve restores."


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a restore. `now`: it is being done, or the restore failed in it."""

    words: str
    done: bool
    now: bool


@dataclass(frozen=True, slots=True)
class AllowedActions:
    """What a person may do with a restore in its current state. `why_not`: why they cannot approve it, else empty."""

    approve: bool
    why_not: str
    cancel: bool
    accept: bool
    undo: bool


def broken_off(restore: Restore) -> bool:
    """Whether its row says RUNNING but no process holds its lock. recovery.settle repairs that within a minute."""
    if restore.state != State.RUNNING:
        return False
    running = databases.running_restore()
    return running is None or running.restore_id != str(restore.pk)


def tag(restore: Restore) -> Tag:
    if broken_off(restore):
        return INTERRUPTED
    look, icon = _TAGS[State(restore.state)]
    return Tag(look, icon, restore.get_state_display())


def open_restore() -> Restore | None:
    """The restore that is requested, running, or waiting to be accepted. A constraint allows one at most."""
    return Restore.objects.filter(state__in=Restore.OPEN).select_related("backup", "requested_by").first()


def restorable(backup: Backup) -> bool:
    """Whether a restore of it can be requested. The restore itself verifies its content once more."""
    return backup.kind == Backup.Kind.FULL and backup.state == Backup.State.COMPLETE and backup.verified_ok is not False


def current_step(restore: Restore) -> str:
    """The step it is in. While it runs, from the lock holder: its row is not written after the live database becomes
    read-only."""
    running = databases.running_restore() if restore.state == State.RUNNING else None
    return running.step if running and running.restore_id == str(restore.pk) else restore.step


def steps(restore: Restore) -> Sequence[Step]:
    """All steps with their progress; none before it has begun."""
    if restore.started_at is None:
        return []
    finished, names, step = restore.state in SWITCHED_OVER, list(STEPS), current_step(restore)
    at = names.index(step) if step in STEPS else 0
    return [Step(STEPS[name], finished or n < at, not finished and n == at) for n, name in enumerate(names)]


def allowed_actions(restore: Restore, user: User) -> AllowedActions:
    """What this person may do with the restore now. `approve` needs a second person."""
    approves, asks = allows(user, Action.APPROVE_RESTORE), allows(user, Action.ASK_RESTORE)
    waits, own = restore.state == State.REQUESTED, restore.requested_by_id == user.pk
    return AllowedActions(
        approve=waits and approves and not own,
        why_not=(OWN_REQUEST if own else "" if approves else NOT_YOUR_ROLE) if waits else "",
        cancel=waits and asks,
        accept=restore.state == State.DONE and approves,
        undo=restore.state == State.DONE and asks and restore.before_id is not None,
    )
