"""How long everything is kept: one table of rules, to which each app adds its own, and what removes what is past it.

Removing goes in batches, each a transaction of its own; a row that somebody else holds is left for the next time. So
it can be broken off, begun again, and run twice at once. Holds are asked in the transaction that removes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Model, Q, QuerySet

from clinchat.lib import clock
from compliance.continuity.deletion import holds
from compliance.logs.faults import kind
from compliance.models import Purge

logger = logging.getLogger("clinchat.continuity")

BATCH: Final = 200
DOCUMENTED: Final = "45 CFR 164.316(b)(2)(i)"
FOR_GOOD_YEARS: Final = 7
"""What cannot be deleted at all is kept at least this long: DOCUMENTED asks six."""
LOG_DAYS_LEAST: Final = 7
Rows = QuerySet[Any, Any]
Past = Callable[[datetime], Q]
"""Of a model, what is older than a moment."""


@dataclass(frozen=True)
class Rule:
    """How long one kind of record is kept. Either nothing can delete it (`tables`, whose triggers refuse; `undeleted`,
    whose deletion the trail would show), or `due` names what is past its time and `remove` removes it; or it is removed
    on another page alone, which `where` names and `waiting` counts for."""

    key: str
    name: str
    source: str
    years: int = 0
    tables: tuple[str, ...] = ()
    undeleted: tuple[str, ...] = ()
    days: Callable[[], int] | None = None
    setting: str = ""
    """The variable that `days` comes from."""
    since: str = ""
    """What the days are counted from, in words."""
    least: int = 0
    """Days that no setting can shorten."""
    due: Callable[[datetime], Rows] | None = None
    held: Callable[[Collection[Any]], set[Any]] = lambda _: set()
    """Those of some rows, by their keys, that a legal hold is on."""
    remove: Callable[[Collection[Any]], object] = lambda _: None
    """Called in a transaction with rows that are locked."""
    waiting: Callable[[], int] = lambda: 0
    where: str = ""

    @property
    def removes(self) -> bool:
        """Whether `purge` removes anything of it."""
        return self.due is not None

    @property
    def kept(self) -> str:
        """How long, in words."""
        if self.days:
            return f"{self.days():,} days after {self.since}"
        return f"{self.years} years" if self.where else f"For good, at least {self.years} years"

    def before(self) -> datetime:
        """What is older than this is past its time."""
        return clock.now() - timedelta(days=self.days() if self.days else 365 * self.years)


class KeptElsewhere(Exception):
    """What the rule is for is never removed by a turn."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule.key)
        self.rule = rule


@dataclass(frozen=True)
class Turned:
    """What one turn of a rule removed, or would; `held` was due too, but is on hold."""

    rule: Rule
    before: datetime
    removed: int
    held: int


_rules: dict[str, Rule] = {}


def rule(*rules: Rule) -> None:
    """Add to the table of rules; called once by each app, when the process starts."""
    for one in rules:
        _rules[one.key] = one


def for_good(app: str, key: str, name: str, *tables: str) -> Rule:
    """Documentation, in tables of the app whose triggers refuse deletion."""
    return Rule(
        key=key,
        name=name,
        source=DOCUMENTED,
        years=FOR_GOOD_YEARS,
        tables=tuple(f"{app}_{table}" for table in tables),
    )


def log_rule(key: str, name: str, model: type[Model], since: str, past: Past, *, person: str = "user") -> Rule:
    """Rows that say what ran or was told when. `person`: the field that says whose they are, which a hold may be on."""
    every = model._base_manager  # noqa: SLF001  # documented by Django

    def held(keys: Collection[Any]) -> set[Any]:
        if not person:
            return set()
        theirs = every.filter(**{"pk__in": keys, f"{person}__in": holds.people()})
        return set(theirs.values_list("pk", flat=True))

    return Rule(
        key=key,
        name=name,
        source="House rule",
        days=lambda: settings.LOG_DAYS,
        setting="CLINCHAT_LOG_DAYS",
        since=since,
        least=LOG_DAYS_LEAST,
        due=lambda before: every.filter(past(before)),
        held=held,
        remove=lambda keys: every.filter(pk__in=keys).delete(),
    )


def rules() -> list[Rule]:
    """All of them, in the order in which they were added."""
    return list(_rules.values())


def named(key: str) -> Rule:
    """The rule of that key. Raises KeyError."""
    return _rules[key]


def purge(*, dry_run: bool, only: Collection[str] = ()) -> list[Turned]:
    """One turn of every rule, or of some; what was removed is on record. A dry run counts what is due.

    Raises KeyError for a rule there is not, KeptElsewhere for one that removes nothing here, and DatabaseError, after
    the turn of the others, where that of a rule failed.
    """
    chosen = [named(key) for key in only] or [one for one in rules() if one.removes]
    for one in chosen:
        if not one.removes:
            raise KeptElsewhere(one)
    turned, failed = [], None
    for one in chosen:
        try:
            turned.append(_count(one) if dry_run else _turn(one))
        except DatabaseError as error:
            logger.error("rule %s was not carried out: %s", one.key, kind(error), extra={"code": "RETENTION"})
            failed = error
    if failed is not None:
        raise failed
    return turned


def waiting(one: Rule) -> Turned:
    """What is past its time now, of a rule of any kind."""
    return _count(one) if one.removes else Turned(one, one.before(), one.waiting(), 0)


def _count(one: Rule) -> Turned:
    assert one.due is not None  # noqa: S101  # narrows the type: only rules that remove come here
    before, due, held, last = one.before(), 0, 0, None
    if not holds.any_stands():
        return Turned(one, before, one.due(before).count(), 0)
    while keys := _next(one, before, last, lock=False):
        on_hold = _held(one, keys)
        due, held, last = due + len(keys) - len(on_hold), held + len(on_hold), keys[-1]
    return Turned(one, before, due, held)


def _turn(one: Rule) -> Turned:
    before, removed, held, last = one.before(), 0, 0, None
    try:
        while True:
            with transaction.atomic():
                keys = _next(one, before, last, lock=True)
                if not keys:
                    return Turned(one, before, removed, held)
                on_hold = _held(one, keys)
                free = [key for key in keys if key not in on_hold]
                if free:
                    one.remove(free)
            removed, held, last = removed + len(free), held + len(on_hold), keys[-1]
    finally:  # what a turn that is broken off has removed is on record as well
        if removed:
            Purge.objects.create(rule=one.key, before=before, removed=removed, held=held)


def _held(one: Rule, keys: Collection[Any]) -> set[Any]:
    if not holds.any_stands():
        return set()
    return set(keys) if settings.LEGAL_HOLD else one.held(keys)


def _next(one: Rule, before: datetime, last: Any, *, lock: bool) -> list[Any]:
    assert one.due is not None  # noqa: S101  # narrows the type: only rules that remove come here
    rows = one.due(before).order_by("pk").filter(**{} if last is None else {"pk__gt": last})
    rows = rows.select_for_update(skip_locked=True, of=("self",)) if lock else rows
    return list(rows.values_list("pk", flat=True)[:BATCH])
