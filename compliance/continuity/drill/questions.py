"""What a restored copy is asked: not whether files are there, but whether the application is.

Each function is one question of one copy. It says what it saw; what keeps it from looking is an answer of its own,
which no drill passes with. Other apps register theirs when they load. Runs where the default database is the copy
(compliance.continuity.drill.asking), never beside the live one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from clinchat.lib import clock


@dataclass(frozen=True, slots=True)
class Answer:
    """`ok` is None where the question could not be asked. No word of a patient or a person: ids, names and counts."""

    key: str
    ok: bool | None
    observed: str


@dataclass(frozen=True, slots=True)
class Copy:
    """What was restored, and what it must be. `whole`: it is the backup itself, so all figures must be the manifest's;
    else it is later than that. `live`, `objects`: what stands in the live database (standing.facts, standing.objects).
    `dump`: where the dump lies meanwhile. `data_keys`: those kept beside the backups, each wrapped.
    """

    manifest: Mapping[str, Any]
    before: datetime
    whole: bool = True
    live: Mapping[str, list[str]] = field(default_factory=dict)
    objects: Mapping[str, list[str]] = field(default_factory=dict)
    dump: str = ""
    data_keys: str = ""


class CannotAsk(Exception):
    """What is asked for is not there to be asked; `words` say why, in ours."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


Ask = Callable[[Copy], tuple[bool, str]]
_questions: dict[str, Ask] = {}
_lasting: set[str] = set()
BACKUP_ONLY: Final = frozenset({"rows", "checksums", "seal", "data_keys", "passages"})
"""Asked of the backup itself: what was recovered to a later moment has other figures, rightly."""
BY_NAME: Final = frozenset({"no_rewind"})
"""Asked when it is named: it takes as long as a restore."""
BY_LOG: Final = "log."
"""Begins the keys of answers about the newest moment, which the log leads to, beside those about the backup itself."""
WORDS: Final = {
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
"""What is so where a question is well answered. Here and not beside the questions, which load the whole application."""


def question(key: str, *, lasting: bool = False) -> Callable[[Ask], Ask]:
    """The function asks this. In the order of registration; what it writes is undone, unless it is `lasting`."""

    def keep(ask: Ask) -> Ask:
        _questions[key] = ask
        if lasting:
            _lasting.add(key)
        return ask

    return keep


def keys(*, whole: bool = True) -> list[str]:
    """Of the questions that are asked unnamed, in their order: of the backup itself, or of a later moment."""
    return [key for key in _questions if key not in BY_NAME and (whole or key not in BACKUP_ONLY)]


def words(key: str) -> str:
    """What was asked, for people; of a question that is asked no more, its key."""
    plain = key.removeprefix(BY_LOG)
    return WORDS.get(plain, plain)


def ask(key: str, copy: Copy) -> Answer:
    """One question. Whatever keeps it from an answer is one."""
    from django.db import connection, transaction

    from compliance.logs.faults import kind

    try:
        with nullcontext() if key in _lasting else transaction.atomic():
            if key not in BACKUP_ONLY:
                _end_maintenance()
            ok, observed = _questions[key](copy)
            if key not in _lasting:
                transaction.set_rollback(True)
    except CannotAsk as reason:
        return Answer(key, None, f"Could not be asked: {reason.words}")
    except Exception as error:  # noqa: BLE001  # what it says stays unsaid: it may hold somebody's words
        if connection.connection is not None and connection.connection.closed:
            connection.close()
        return Answer(key, None, f"Could not be asked: {kind(error)}.")
    return Answer(key, ok, observed)


def _end_maintenance() -> None:
    """A backup that was made in read-only mode is of a database in which nobody may try anything."""
    from compliance.continuity import maintenance
    from compliance.models import Maintenance

    Maintenance.objects.filter(ended_at=None).update(ended_at=clock.now())
    maintenance.forget()


@contextmanager
def clock_at(moment: datetime) -> Iterator[None]:
    """For this process, which asks and does nothing else, it is that time."""
    real = clock.now
    clock.now = lambda: moment
    try:
        yield
    finally:
        clock.now = real


def step_time(step: int, seconds: int) -> datetime:
    """The middle of a step of time-based codes."""
    return datetime.fromtimestamp(step * seconds + seconds / 2, UTC)


def so_unless(wrong: Sequence[str], seen: str, named: str = "wrong:") -> tuple[bool, str]:
    """The answer of a question: yes, and what was seen, unless there is something wrong, which is named then."""
    return not wrong, f"{seen}, {named} {listed(wrong)}" if wrong else seen


def listed(names: Sequence[str], *, most: int = 5) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
