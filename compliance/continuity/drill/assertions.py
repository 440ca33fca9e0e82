"""Assertions about a restored copy of the database: what must hold in it for a drill to pass.

Each assertion is a function that returns whether it holds, and what it observed; one that raises CannotEvaluate, or
anything else, is recorded as not evaluated, and the drill does not pass then either. Apps register theirs on import.
They run in a process whose default database is the copy (compliance.continuity.drill.process), never in the portal's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from clinchat.lib import clock


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one assertion. `ok`: None where it could not be evaluated. `observed`: ids, names of tables and
    counts only, never a patient's or a person's data. Stored in Drill.assertions."""

    key: str
    ok: bool | None
    observed: str


@dataclass(frozen=True, slots=True)
class RestoredCopy:
    """The restored database, and what it is compared with."""

    manifest: Mapping[str, Any]
    """Of the backup: drills.MANIFEST_FIELDS."""
    as_of: datetime
    """The moment of the backup."""
    is_backup: bool = True
    """It is the backup itself, so its figures equal the manifest's. Else it was recovered to a later moment (PITR)."""
    live_facts: Mapping[str, list[str]] = field(default_factory=dict)
    """invariants.revoked_before of the live database."""
    live_objects: Mapping[str, list[str]] = field(default_factory=dict)
    """invariants.schema_objects of the live database; empty where it has another schema version."""
    dump: str = ""
    """Path of the dump file, where it is at hand."""
    data_keys: str = ""
    """The copy of the data keys beside the backups, each wrapped (key_copies)."""


class CannotEvaluate(Exception):
    """What the assertion needs is missing. `words`: why, in our own words."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


Assertion = Callable[[RestoredCopy], tuple[bool, str]]
_assertions: dict[str, Assertion] = {}
_committed: set[str] = set()
BACKUP_ONLY: Final = frozenset({"rows", "checksums", "seal", "data_keys", "passages"})
"""Not evaluated after recovery to a later moment, where the figures rightly differ from the manifest's."""
ON_REQUEST: Final = frozenset({"no_rewind"})
"""Evaluated only when named: it takes as long as a restore."""
PITR_PREFIX: Final = "log."
"""Prefix of the keys of results about the newest moment that the shipped WAL reaches."""
TITLES: Final = {
    "schema": "Every migration and constraint is there",
    "rows": "Every table has as many rows as were backed up",
    "checksums": "Every table holds what was backed up",
    "data_keys": "The backup holds no data key",
    "seal": "The audit trail ends where it did",
    "sequences": "No number is given out twice",
    "indexes": "Every index is there and can be used",
    "passages": "Known questions find the same passages",
    "vector_search": "Search by meaning finds the nearest passages",
    "triggers": "What records changes and refuses deletion is in force",
    "trail_continues": "The audit trail goes on",
    "trail": "The whole audit trail verifies",
    "people": "Who was shut out stays out",
    "used_codes": "Codes and links that were used are of no use",
    "blocks": "Blocked networks stay blocked",
    "sign_in": "Somebody signs in with password and code",
    "sealed_values": "Sealed values open with our keys",
    "no_rewind": "A restore undoes nothing done since the backup",
}
"""What holds, for people. Not beside the functions, whose modules import the whole application."""


def assertion(key: str, *, commits: bool = False) -> Callable[[Assertion], Assertion]:
    """Decorator: register the function. They run in the order of registration, each in a transaction that is rolled
    back unless `commits`."""

    def register(function: Assertion) -> Assertion:
        _assertions[key] = function
        if commits:
            _committed.add(key)
        return function

    return register


def default_keys(*, is_backup: bool = True) -> list[str]:
    """Keys of the assertions to evaluate unless told otherwise, in order: for the backup itself, or a later moment."""
    return [key for key in _assertions if key not in ON_REQUEST and (is_backup or key not in BACKUP_ONLY)]


def title(key: str) -> str:
    """The title for people; the key itself for an assertion that a former release had."""
    plain = key.removeprefix(PITR_PREFIX)
    return TITLES.get(plain, plain)


def evaluate(key: str, copy: RestoredCopy) -> Result:
    """Evaluate one assertion. Raises nothing: an exception becomes a result whose `ok` is None."""
    from django.db import connection, transaction

    from compliance.logs.faults import kind

    try:
        with nullcontext() if key in _committed else transaction.atomic():
            if key not in BACKUP_ONLY:
                _end_maintenance()
            ok, observed = _assertions[key](copy)
            if key not in _committed:
                transaction.set_rollback(True)
    except CannotEvaluate as reason:
        return Result(key, None, f"Could not be asked: {reason.words}")
    except Exception as error:  # noqa: BLE001  # its text is not shown: it may quote data
        if connection.connection is not None and connection.connection.closed:
            connection.close()
        return Result(key, None, f"Could not be asked: {kind(error)}.")
    return Result(key, ok, observed)


def _end_maintenance() -> None:
    """Switch read-only mode off in the copy: the backup may have been made while it was on."""
    from compliance.continuity import maintenance
    from compliance.models import Maintenance

    Maintenance.objects.filter(ended_at=None).update(ended_at=clock.now())
    maintenance.forget()


@contextmanager
def clock_at(moment: datetime) -> Iterator[None]:
    """Inside, lib.clock has that time. Only for the assertion process: it changes the module for all threads."""
    real = clock.now
    clock.now = lambda: moment
    try:
        yield
    finally:
        clock.now = real


def step_time(step: int, seconds: int) -> datetime:
    """The middle of a TOTP time step of that many seconds."""
    return datetime.fromtimestamp(step * seconds + seconds / 2, UTC)


def passed_unless(wrong: Sequence[str], seen: str, named: str = "wrong:") -> tuple[bool, str]:
    """The return value of an assertion: passed, and what was seen, unless `wrong` lists something, which is added."""
    return not wrong, f"{seen}, {named} {listed(wrong)}" if wrong else seen


def listed(names: Sequence[str], *, most: int = 5) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
