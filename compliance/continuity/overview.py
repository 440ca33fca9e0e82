"""What the pages about backups and recovery show. Read-only. What was never measured counts as bad, never as good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from django.db.models import QuerySet

from clinchat.lib import charts, clock, ui_tags
from compliance.attention import Tag
from compliance.continuity import integrity, plan
from compliance.continuity.backup import backups
from compliance.continuity.deletion import retention
from compliance.continuity.drill import assertions, drills
from compliance.continuity.plan import BACKUP_LATE, DRILL_LATE, INTEGRITY_LATE
from compliance.continuity.restore import databases, display
from compliance.models import Backup, Drill, Erasure, IntegrityRun, LegalHold, Maintenance, Purge, Restore, WalShipping

TREND_DRILLS: Final = 12
"""How many of the last drills the chart shows."""
PURGES: Final = 5
RESTORES: Final = 5
NEVER: Final = Tag("", "circle-dashed", "Never")
NOT_CHECKED: Final = Tag("", "circle-dashed", "Not checked")
BROKEN_OFF: Final = Tag("crit", "octagon-alert", "Broke off")


@dataclass(frozen=True, slots=True)
class Service:
    """A service with its recovery objectives: `rpo`, the most data that may be lost; `rto`, the longest outage."""

    name: str
    rpo: timedelta
    rto: timedelta


SERVICES: Final = (
    Service("Clinical answers", timedelta(minutes=15), timedelta(hours=1)),
    Service("Drug interactions", timedelta(minutes=5), timedelta(minutes=30)),
    Service("Sign-in", timedelta(hours=1), timedelta(minutes=15)),
    Service("Audit log", timedelta(minutes=1), timedelta(hours=2)),
)
RPO: Final = min(service.rpo for service in SERVICES)
RTO: Final = min(service.rto for service in SERVICES)
"""All services share one database and are restored with it, so every drill is measured against the strictest."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """A duration and its limit. `value` None: never measured."""

    value: timedelta | None
    limit: timedelta

    @property
    def part(self) -> float:
        """For a meter: the share of the limit, at most 1."""
        return round(min(1.0, self.value / self.limit), 3) if self.value is not None else 0.0

    @property
    def over(self) -> bool:
        """Whether it exceeds the limit. False where it was never measured, which does not mean that it is within it."""
        return self.value is not None and self.value > self.limit

    @property
    def seconds(self) -> float | None:
        return self.value.total_seconds() if self.value is not None else None

    @property
    def words(self) -> str:
        """Such as: 6 min of 15 min"""
        return f"{ui_tags.span(self.value)} of {ui_tags.span(self.limit)}" if self.value is not None else "Never"


@dataclass(frozen=True, slots=True)
class Exposure:
    """Data loss of a service if it failed now, against its RPO; time of the last passed drill, against its RTO."""

    name: str
    at_risk: Measurement
    restored: Measurement


@dataclass(frozen=True, slots=True)
class LastDrill:
    """Restore time and data loss of the last drill that passed, against the strictest RTO and RPO."""

    restored: Measurement
    lost: Measurement


@dataclass(frozen=True, slots=True)
class Recoverable:
    """The newest moment that the database can be restored to."""

    at: datetime
    by_log: bool
    """By a base backup and the shipped WAL; False: by the last full backup."""


@dataclass(frozen=True, slots=True)
class DrillAssertion:
    """One assertion of a drill, for display: its result, what it asserts, and what was observed."""

    tag: Tag
    words: str
    observed: str
    good: bool


@dataclass(frozen=True, slots=True)
class AssertionGroup:
    """The assertions about one restored database, under its name."""

    name: str
    answers: Sequence[DrillAssertion]

    @property
    def good(self) -> list[DrillAssertion]:
        return [one for one in self.answers if one.good]

    @property
    def others(self) -> list[DrillAssertion]:
        """Those that failed or could not be tested."""
        return [one for one in self.answers if not one.good]


@dataclass(frozen=True)
class Overview:
    """The state of backups and recovery at the moment `at`. None: there is none, or it was never measured."""

    at: datetime
    recoverable: Recoverable | None
    services: Sequence[Exposure]
    newest: Backup | None
    log: WalShipping | None
    drill: Drill | None
    proven: Drill | None
    """The last drill that passed."""
    integrity: IntegrityRun | None
    """The run with findings that still stand, also where later runs failed; else the last run."""
    readonly: Maintenance | None
    making: Backup | None
    restore: Restore | None
    drilling: str | None
    """The step of the running drill."""

    @property
    def held(self) -> datetime | None:
        """The moment that the newest good full backup holds."""
        return self.newest.as_of if self.newest else None

    @property
    def backup_late(self) -> bool:
        return self.held is None or self.at - self.held > BACKUP_LATE

    @property
    def backup_tag(self) -> Tag:
        if self.newest is None:
            return NEVER
        return Tag("major", "clock", "Late") if self.backup_late else Tag("ok", "circle-check", "On time")

    @property
    def verified_tag(self) -> Tag:
        return verified_tag(self.newest) if self.newest else NEVER

    @property
    def drill_late(self) -> bool:
        return self.proven is None or self.at - self.proven.started_at > DRILL_LATE

    @property
    def drill_tag(self) -> Tag:
        if self.drill is None:
            return NEVER
        if self.drill.state == Drill.State.PASSED and self.drill_late:
            return Tag("major", "clock", "Out of date")
        return drill_tag(self.drill)

    @property
    def integrity_tag(self) -> Tag:
        if self.integrity is None:
            return NOT_CHECKED
        if self.integrity.state == IntegrityRun.State.FINDINGS:
            return Tag("crit", "octagon-alert", "Findings")
        if self.integrity.state == IntegrityRun.State.ERROR:
            return Tag("major", "octagon-alert", "Could not look")
        if self.at - self.integrity.ran_at > INTEGRITY_LATE:
            return Tag("major", "clock", "Out of date")
        return Tag("ok", "circle-check", "In order")

    @property
    def under_way(self) -> bool:
        """Whether a backup, restore or drill is running: the page then refreshes itself."""
        moving = self.restore is not None and self.restore.state in display.IN_PROGRESS
        return moving or self.making is not None or self.drilling is not None

    @property
    def drilling_words(self) -> str:
        return drills.STEPS.get(self.drilling or "", "about to begin")

    @property
    def over(self) -> list[Exposure]:
        """The services whose RPO is exceeded now, or not known to be met."""
        return [one for one in self.services if one.at_risk.over or one.at_risk.value is None]

    @property
    def log_words(self) -> str:
        """Why the WAL leads no further than the last backup."""
        if self.log is None:
            return "The log is not shipped, so what was written since would be lost."
        if self.held is not None and self.log.as_of > self.held:
            return "The log is shipped; the copy of the files that it follows is still to be made."
        return f"The log in the store ends before it, {ui_tags.moment(self.log.as_of)}."

    @property
    def restore_tag(self) -> Tag | None:
        return display.tag(self.restore) if self.restore else None

    @property
    def steps(self) -> Sequence[display.Step]:
        return display.steps(self.restore) if self.restore else []

    # What only the page shows is queried when it is shown.

    @cached_property
    def trend(self) -> charts.Chart | None:
        return trend(list(_passed_drills()[:TREND_DRILLS])[::-1])

    @property
    def measured(self) -> LastDrill | None:
        one = self.proven
        if one is None or one.rto_seconds is None or one.rpo_seconds is None:
            return None
        restored, lost = timedelta(seconds=one.rto_seconds), timedelta(seconds=one.rpo_seconds)
        return LastDrill(Measurement(restored, RTO), Measurement(lost, RPO))

    @cached_property
    def jobs(self) -> list[plan.Job]:
        return plan.jobs(self.at)

    @cached_property
    def stores(self) -> list[plan.StoreSummary]:
        return plan.stores()

    @cached_property
    def restores(self) -> list[Restore]:
        return list(Restore.objects.select_related("backup", "requested_by")[:RESTORES])

    @cached_property
    def holds(self) -> int:
        return LegalHold.objects.filter(ended_at=None).count()

    @cached_property
    def erasures(self) -> int:
        return Erasure.objects.filter(status=Erasure.Status.DONE).count()

    @cached_property
    def purges(self) -> list[tuple[Purge, str]]:
        """The last runs of retention rules that removed something, each with the name of its rule."""
        names = {one.key: one.name for one in retention.rules()}
        return [(one, names.get(one.rule, one.rule)) for one in Purge.objects.all()[:PURGES]]

    @cached_property
    def asked(self) -> list[AssertionGroup]:
        """The assertions of the last drill: about the restored backup, and about the newest recoverable moment."""
        answers = self.drill.assertions if self.drill else []
        by_log = [one for one in answers if one["key"].startswith(assertions.PITR_PREFIX)]
        of_each = {
            "The backup": [one for one in answers if one not in by_log],
            "The newest moment, through the log": by_log,
        }
        return [AssertionGroup(name, [_for_display(one) for one in found]) for name, found in of_each.items() if found]


def overview() -> Overview:
    """The state of backups and recovery now."""
    now, newest, log = clock.now(), Backup.objects.good(Backup.Kind.FULL).first(), WalShipping.objects.first()
    recoverable, proven = _recoverable(newest, log), _passed_drills().first()
    restored = timedelta(seconds=proven.rto_seconds) if proven and proven.rto_seconds is not None else None
    at_risk = max(timedelta(0), now - recoverable.at) if recoverable else None
    return Overview(
        at=now,
        recoverable=recoverable,
        services=[
            Exposure(one.name, Measurement(at_risk, one.rpo), Measurement(restored, one.rto)) for one in SERVICES
        ],
        newest=newest,
        log=log,
        drill=Drill.objects.select_related("backup").first(),
        proven=proven,
        integrity=integrity.open_condition() or IntegrityRun.objects.first(),
        readonly=Maintenance.objects.filter(ended_at=None).select_related("started_by").first(),
        making=making(),
        restore=display.open_restore(),
        drilling=databases.running_drill_step(),
    )


def making() -> Backup | None:
    """The backup that is being made, else the one that waits to be."""
    return next((one for one in _unfinished_backups() if not backups.broken_off(one)), None)


def _recoverable(newest: Backup | None, log: WalShipping | None) -> Recoverable | None:
    """None: nothing could be restored. WAL counts only where a base backup was made since it has no gap."""
    candidates = [Recoverable(newest.as_of, by_log=False)] if newest and newest.as_of else []
    if log and Backup.objects.good(Backup.Kind.BASE).filter(as_of__gte=log.since).exists():
        candidates.append(Recoverable(log.as_of, by_log=True))
    return max(candidates, key=lambda one: one.at, default=None)


def environments() -> list[str]:
    """The environments that backups in our records are of."""
    return list(Backup.objects.order_by("environment").values_list("environment", flat=True).distinct())


def state() -> str:
    """A fingerprint of everything under way: pages reload when it changes."""
    restore, drill = display.open_restore(), Drill.objects.first()
    states = [
        *(f"{one.pk} {one.state} {one.progress} {backups.broken_off(one)}" for one in _unfinished_backups()),
        f"{restore.pk} {restore.state} {display.current_step(restore)} {display.broken_off(restore)}"
        if restore
        else "",
        str(drill.pk) if drill else "",
        f"drill {step}" if (step := databases.running_drill_step()) is not None else "",
    ]
    return ", ".join(states)


def drill_tag(drill: Drill) -> Tag:
    looks = {
        Drill.State.PASSED: ("ok", "circle-check"),
        Drill.State.FAILED: ("crit", "circle-x"),
        Drill.State.ERROR: ("major", "octagon-alert"),
    }
    return Tag(*looks[Drill.State(drill.state)], drill.get_state_display())


def verified_tag(backup: Backup) -> Tag:
    """The result of its last verification."""
    if backup.verified_ok is None:
        return Tag("", "circle-dashed", "Not read back")
    if not backup.verified_ok:
        return Tag("crit", "circle-x", "Damaged")
    return Tag("ok", "circle-check", "Read back whole")


def backup_tag(backup: Backup) -> Tag:
    """Its state for a list."""
    match backup.state:
        case Backup.State.COMPLETE:
            return verified_tag(backup)
        case Backup.State.FAILED:
            return Tag("crit", "circle-x", backup.get_state_display())
        case Backup.State.PRUNED:
            return Tag("", "circle", backup.get_state_display())
        case _ if backups.broken_off(backup):
            return BROKEN_OFF
        case _:
            return Tag("info", "hourglass", backup.get_state_display())


def _for_display(assertion: dict[str, Any]) -> DrillAssertion:
    looks = {
        True: Tag("ok", "check", "As it should be"),
        False: Tag("crit", "circle-x", "Not so"),
        None: Tag("major", "octagon-alert", "Not asked"),
    }
    return DrillAssertion(
        looks[assertion["ok"]],
        assertions.title(assertion["key"]),
        assertion.get("observed", ""),
        good=assertion["ok"] is True,
    )


def trend(drills: Sequence[Drill]) -> charts.Chart | None:
    """A chart of restore times and data loss, each as a share of its limit. `drills`: the oldest first."""
    measured = [
        (one.started_at, one.rto_seconds, one.rpo_seconds)
        for one in drills
        if one.rto_seconds is not None and one.rpo_seconds is not None
    ]
    if not measured:
        return None
    top = max(1.0, *(max(rto / RTO.total_seconds(), rpo / RPO.total_seconds()) for _, rto, rpo in measured))
    where, (_, last_rto, last_rpo) = charts.places(len(measured)), measured[-1]
    days = [ui_tags.day(at) for at, _, _ in measured]

    def line(name: str, took: Sequence[float], limit: timedelta) -> charts.Line:
        words = [f"{name}, {day}: {ui_tags.seconds(one)}" for day, one in zip(days, took, strict=True)]
        shares = [one / limit.total_seconds() / top for one in took]
        return charts.Line(name, [charts.Point(*point) for point in zip(where, shares, words, strict=True)])

    return charts.chart(
        f"Drills since {days[0]}: the last one had the service back in {ui_tags.seconds(last_rto)} "
        f"of {ui_tags.span(RTO)} and would have lost {ui_tags.seconds(last_rpo)} of {ui_tags.span(RPO)}",
        [
            line("Restore time", [rto for _, rto, _ in measured], RTO),
            line("Data lost", [rpo for _, _, rpo in measured], RPO),
            charts.Line("Limit", [charts.Point(0, 1 / top), charts.Point(1, 1 / top)]),
        ],
        below=[(x, day.split(",")[0]) for x, day in zip(where, days, strict=True)],
        head=["Drill", f"Restore time, of {ui_tags.span(RTO)}", f"Data lost, of {ui_tags.span(RPO)}"],
        rows=[[ui_tags.moment(at), ui_tags.seconds(rto), ui_tags.seconds(rpo)] for at, rto, rpo in measured],
        top=top,
    )


def _unfinished_backups() -> QuerySet[Backup]:
    """Backups in state RUNNING, then those WAITING."""
    return Backup.objects.filter(state__in=[Backup.State.RUNNING, Backup.State.WAITING]).order_by("state")


def _passed_drills() -> QuerySet[Drill]:
    return Drill.objects.filter(state=Drill.State.PASSED)
