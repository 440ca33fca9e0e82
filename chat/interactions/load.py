"""How alerts are taken: how often people see one, and what they do with it, so that the table can be tuned.

Nothing here says who did it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count, F, Q, QuerySet, Sum

from chat.interactions import changes
from chat.interactions.differences import name_of
from chat.interactions.types import Severity
from chat.models import InteractionAlert, InteractionCheck
from clinchat.lib import clock

Where = InteractionCheck.Where
Response = InteractionAlert.Response
Reason = InteractionAlert.Reason
PAIRS_SHOWN: Final = 20


@dataclass(frozen=True)
class Checks:
    """The checks of a place. `unavailable`: those that could not be made; `shown`: interactions, by severity."""

    name: str
    checks: int
    unavailable: int
    shown: dict[str, int]
    alerts: int

    @property
    def of_hundred(self) -> str:
        """Alerts that interrupt, of a hundred checks that were made."""
        made = self.checks - self.unavailable
        return f"{100 * self.alerts / made:.1f}" if made else ""


@dataclass(frozen=True)
class Taken:
    """What was done with some alerts that interrupt. `name`: a severity; empty for those of a pair."""

    name: str
    alerts: int
    acknowledged: int
    overridden: int

    @property
    def unanswered(self) -> int:
        return self.alerts - self.acknowledged - self.overridden

    @property
    def share_unanswered(self) -> str:
        return self._share(self.unanswered)

    @property
    def share_acknowledged(self) -> str:
        return self._share(self.acknowledged)

    @property
    def share_overridden(self) -> str:
        return self._share(self.overridden)

    def _share(self, part: int) -> str:
        return f"{part / self.alerts:.0%}" if self.alerts else ""


@dataclass(frozen=True)
class Pair:
    """A pair that interrupts often, with its severity when it did."""

    names: tuple[str, str]
    severity: str
    taken: Taken


@dataclass(frozen=True)
class Load:
    since: datetime
    total: Checks
    places: list[Checks]
    severities: list[Taken]
    taken: Taken
    pairs: list[Pair]
    reasons: list[tuple[str, int]]


def load(*, days: int, where: str = "") -> Load:
    """The figures of the last so many days; `where` is a value of InteractionCheck.Where, empty for all of them."""
    since = clock.now() - timedelta(days=days)
    checks = InteractionCheck.objects.filter(at__gte=since)
    checks = checks.filter(where=where) if where else checks
    alerts = InteractionAlert.objects.filter(check_made__in=checks)
    places = _places(checks, alerts)
    by_severity = {row["severity"]: row for row in _answers(alerts.values("severity"))}
    severities = [_taken(s.value, by_severity[s.value]) for s in Severity if s.value in by_severity]
    return Load(
        since=since,
        total=_summed("All", places),
        places=places,
        severities=severities,
        taken=Taken(
            "All",
            sum(one.alerts for one in severities),
            sum(one.acknowledged for one in severities),
            sum(one.overridden for one in severities),
        ),
        pairs=_pairs(alerts),
        reasons=_reasons(alerts),
    )


def overridden(*, since: datetime, where: str = "") -> QuerySet[InteractionAlert]:
    """The alerts that were overridden, with their reasons and notes, the newest first. Not who did it."""
    found = InteractionAlert.objects.filter(check_made__at__gte=since, response=Response.OVERRIDDEN)
    found = found.filter(check_made__where=where) if where else found
    return found.annotate(where=F("check_made__where")).order_by("-responded_at", "pk")


def named(alerts: Iterable[InteractionAlert]) -> list[dict[str, Any]]:
    """Alerts with the names of their medicines and of the place."""
    table = changes.table_in_use()
    return [
        {
            "alert": one,
            "names": (name_of(one.a, table), name_of(one.b, table)),
            "where": Where(vars(one)["where"]).label,
        }
        for one in alerts
    ]


def _places(checks: QuerySet[InteractionCheck], alerts: QuerySet[InteractionAlert]) -> list[Checks]:
    loud = dict(alerts.values_list("check_made__where").annotate(n=Count("pk")))
    rows: Any = (
        checks.order_by()
        .values("where")
        .annotate(
            checks=Count("pk"),
            unavailable=Count("pk", filter=Q(table="")),
            **{f"of_{name}": Sum(name) for name in InteractionCheck.COUNTS},
        )
    )
    found = {row["where"]: row for row in rows}
    return [
        Checks(
            place.label,
            row["checks"],
            row["unavailable"],
            {name: row[f"of_{name}"] for name in InteractionCheck.COUNTS},
            loud.get(place.value, 0),
        )
        for place in Where
        if (row := found.get(place.value))
    ]


def _summed(name: str, places: list[Checks]) -> Checks:
    return Checks(
        name,
        sum(one.checks for one in places),
        sum(one.unavailable for one in places),
        {severity: sum(one.shown[severity] for one in places) for severity in InteractionCheck.COUNTS},
        sum(one.alerts for one in places),
    )


def _answers(grouped: Any) -> Any:
    return grouped.order_by().annotate(
        alerts=Count("pk"),
        acknowledged=Count("pk", filter=Q(response=Response.ACKNOWLEDGED)),
        overridden=Count("pk", filter=Q(response=Response.OVERRIDDEN)),
    )


def _taken(name: str, row: dict[str, Any]) -> Taken:
    return Taken(name, row["alerts"], row["acknowledged"], row["overridden"])


def _pairs(alerts: QuerySet[InteractionAlert]) -> list[Pair]:
    table = changes.table_in_use()
    rows = _answers(alerts.values("a", "b", "severity")).order_by("-alerts", "a", "b", "severity")[:PAIRS_SHOWN]
    return [
        Pair((name_of(row["a"], table), name_of(row["b"], table)), row["severity"], _taken("", row)) for row in rows
    ]


def _reasons(alerts: QuerySet[InteractionAlert]) -> list[tuple[str, int]]:
    counted = dict(alerts.filter(response=Response.OVERRIDDEN).order_by().values_list("reason").annotate(n=Count("pk")))
    return sorted(
        ((reason.label, counted[reason.value]) for reason in Reason if reason.value in counted),
        key=lambda one: -one[1],
    )
