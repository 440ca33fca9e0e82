"""manage.py backup drill"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, Final

from compliance.continuity.commands import DONE, FAILED, Console, add_json_option
from compliance.continuity.drill import assertions, drills
from compliance.models import Drill

HELP: Final = (
    "Restore the newest backup into a server of its own and ask it what only the application can answer: figures, "
    "trail, who was shut out, used codes, known questions, a sign-in. Measures how long that takes and how much would "
    "be lost, and keeps what was found. Exit code 0: it passed; 1: something was not as it should be, or the drill "
    "could not run."
)
_VERDICTS: Final = {True: "yes", False: "NO", None: "not asked"}


def arguments(parser: ArgumentParser) -> None:
    add_json_option(parser)


def run(options: dict[str, Any], console: Console) -> int:
    drill = drills.run(lambda step: console.say(f"{step} …"))
    if options["json"]:
        console.json(drill_json(drill))
    else:
        console.out("\n".join(_lines(drill)))
    return DONE if drill.state == Drill.State.PASSED else FAILED


def drill_json(drill: Drill) -> dict[str, Any]:
    """The row of a drill as JSON."""
    return {
        "id": str(drill.pk),
        "backup": str(drill.backup_id) if drill.backup_id else None,
        "state": drill.state,
        "started_at": drill.started_at.isoformat(),
        "seconds": drill.seconds,
        "rto_seconds": drill.rto_seconds,
        "rpo_seconds": drill.rpo_seconds,
        "steps": drill.steps,
        "assertions": drill.assertions,
        "failure": drill.failure,
    }


def _label(key: str) -> str:
    return ("newest moment: " if key.startswith(assertions.PITR_PREFIX) else "") + assertions.title(key)


def _lines(drill: Drill) -> list[str]:
    asserted = drill.assertions
    lines = [f"{_VERDICTS[one['ok']]:<10} {_label(one['key'])} ({one['observed']})" for one in asserted]
    lines += [f"{seconds:>9.1f} s {step}" for step, seconds in drill.steps.items()]
    if drill.rto_seconds is not None and drill.rpo_seconds is not None:
        lines += [f"Back after {drill.rto_seconds:.1f} s; {drill.rpo_seconds:.1f} s would be lost."]
    return [*lines, f"{drill.get_state_display()}. {drill.failure}".rstrip()]
