"""Retention: the table of rules, which each app registers its own in, and the purge of rows past their retention time.

A purge goes in batches, each in a transaction of its own, and skips rows that another transaction has locked. So it can
be interrupted, repeated, and run twice at the same time. Legal holds are checked in the transaction that deletes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Count, Model, Q, QuerySet

from clinchat.lib import clock
from compliance.continuity.deletion import holds
from compliance.logs.faults import kind
from compliance.models import Purge

logger = logging.getLogger("clinchat.continuity")

BATCH: Final = 200
DOCUMENTED: Final = "45 CFR 164.316(b)(2)(i)"
FOR_GOOD_YEARS: Final = 7
"""Retention stated for documentation, which nothing can delete. DOCUMENTED requires six years."""
LOG_DAYS_LEAST: Final = 7
Rows = QuerySet[Any, Any]
Past = Callable[[datetime], Q]
"""A moment → the condition for rows of a model that are older."""


@dataclass(frozen=True)
class Rule:
    """How long one kind of record is kept, in one of three ways:

    - for good: nothing can delete it (`tables`, whose triggers refuse DELETE; `undeleted`, whose deletion the audit
      trail would show);
    - by days: `due` selects the rows past their time, and `remove` deletes them;
    - elsewhere: deleted on the page `where` only, and `waiting` counts what is due there.
    """

    key: str
    name: str
    source: str
    """The regulation or standard, or "House rule"."""
    years: int = 0
    tables: tuple[str, ...] = ()
    undeleted: tuple[str, ...] = ()
    days: Callable[[], int] | None = None
    setting: str = ""
    """The environment variable that sets `days`."""
    since: str = ""
    """The event that the days are counted from, in words."""
    least: int = 0
    """Fewest days that `setting` may have."""
    due: Callable[[datetime], Rows] | None = None
    held: Callable[[Collection[Any]], set[Any]] = lambda _: set()
    """Of these primary keys, the ones on legal hold."""
    on_hold: Callable[[], Q] = lambda: Q(pk__in=())
    """The same as a condition, for counting in the database."""
    remove: Callable[[Collection[Any]], object] = lambda _: None
    """Deletes the rows with these primary keys; called in a transaction that has locked them."""
    waiting: Callable[[], int] = lambda: 0
    where: str = ""

    @property
    def removes(self) -> bool:
        """Whether `purge` applies to it."""
        return self.due is not None

    @property
    def kept(self) -> str:
        """The retention time, in words."""
        if self.days:
            return f"{self.days():,} days after {self.since}"
        return f"{self.years} years" if self.where else f"For good, at least {self.years} years"

    def before(self) -> datetime:
        """The cutoff: rows older than this are past their retention time."""
        return clock.now() - timedelta(days=self.days() if self.days else 365 * self.years)


class NotPurged(Exception):
    """`purge` was asked for a rule that it does not apply to."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule.key)
        self.rule = rule


@dataclass(frozen=True)
class PurgeResult:
    """Result of applying one rule: rows that were removed, or would be; `held` were due too, but are on legal hold."""

    rule: Rule
    before: datetime
    removed: int
    held: int


_rules: dict[str, Rule] = {}


def rule(*rules: Rule) -> None:
    """Register rules; each app calls it once, from AppConfig.ready()."""
    for one in rules:
        _rules[one.key] = one


def for_good(app: str, key: str, name: str, *tables: str) -> Rule:
    """A rule for required documentation: tables of the app whose triggers refuse DELETE."""
    return Rule(
        key=key,
        name=name,
        source=DOCUMENTED,
        years=FOR_GOOD_YEARS,
        tables=tuple(f"{app}_{table}" for table in tables),
    )


def log_rule(key: str, name: str, model: type[Model], since: str, past: Past, *, person: str = "user") -> Rule:
    """A rule for log-like rows, kept for LOG_DAYS. `person`: the foreign key to the user whose hold keeps a row."""
    every = model._base_manager  # noqa: SLF001  # documented by Django

    def held(keys: Collection[Any]) -> set[Any]:
        if not person:
            return set()
        theirs = every.filter(**{"pk__in": keys, f"{person}__in": holds.people_on_hold()})
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
        on_hold=lambda: Q(**{f"{person}__in": holds.people_on_hold()}) if person else Q(pk__in=()),
        remove=lambda keys: every.filter(pk__in=keys).delete(),
    )


def rules() -> list[Rule]:
    """All rules, in the order of their registration."""
    return list(_rules.values())


def named(key: str) -> Rule:
    """The rule of that key. Raises KeyError."""
    return _rules[key]


def purge(*, dry_run: bool, only: Collection[str] = ()) -> list[PurgeResult]:
    """Apply every rule, or the rules `only`, and record the numbers in Purge. A dry run counts and deletes nothing.

    Raises KeyError for an unknown rule, NotPurged for a rule that is not applied here, and DatabaseError where one
    failed, after all others were applied.
    """
    chosen = [named(key) for key in only] or [one for one in rules() if one.removes]
    for one in chosen:
        if not one.removes:
            raise NotPurged(one)
    turned, failed = [], None
    for one in chosen:
        try:
            turned.append(_count(one) if dry_run else _purge(one))
        except DatabaseError as error:
            logger.error("rule %s was not carried out: %s", one.key, kind(error), extra={"code": "RETENTION"})
            failed = error
    if failed is not None:
        raise failed
    return turned


def waiting(one: Rule) -> PurgeResult:
    """What is past its retention time now, for a rule of any kind."""
    return _count(one) if one.removes else PurgeResult(one, one.before(), one.waiting(), 0)


def _count(one: Rule) -> PurgeResult:
    assert one.due is not None  # noqa: S101  # narrows the type: only rules that remove come here
    before = one.before()
    due = one.due(before).order_by()
    if not holds.any_active():
        return PurgeResult(one, before, due.count(), 0)
    if settings.LEGAL_HOLD:
        return PurgeResult(one, before, 0, due.count())
    found = due.aggregate(due=Count("pk"), held=Count("pk", filter=one.on_hold()))  # one statement: of one moment
    return PurgeResult(one, before, found["due"] - found["held"], found["held"])


def _purge(one: Rule) -> PurgeResult:
    before, removed, held, last = one.before(), 0, 0, None
    try:
        while True:
            with transaction.atomic():
                keys = _next(one, before, last)
                if not keys:
                    return PurgeResult(one, before, removed, held)
                on_hold = _held(one, keys)
                free = [key for key in keys if key not in on_hold]
                if free:
                    one.remove(free)
            removed, held, last = removed + len(free), held + len(on_hold), keys[-1]
    finally:  # also what an interrupted purge has removed
        if removed:
            Purge.objects.create(rule=one.key, before=before, removed=removed, held=held)


def _held(one: Rule, keys: Collection[Any]) -> set[Any]:
    if not holds.any_active():
        return set()
    return set(keys) if settings.LEGAL_HOLD else one.held(keys)


def _next(one: Rule, before: datetime, last: Any) -> list[Any]:
    assert one.due is not None  # noqa: S101  # narrows the type: only rules that remove come here
    rows = one.due(before).order_by("pk").filter(**{} if last is None else {"pk__gt": last})
    rows = rows.select_for_update(skip_locked=True, of=("self",))
    return list(rows.values_list("pk", flat=True)[:BATCH])
