"""The section of the monthly report about backups, drills and restores."""

from __future__ import annotations

from django.db.models import Max, QuerySet

from compliance.models import Backup, Drill, Exercise, Restore, WalShipping
from compliance.reports import looking
from compliance.reports.sections import Period, Section, add, at, counted, day

PAGE = "/compliance/continuity/"


def fill(section: Section, period: Period) -> None:
    _backups(section, period)
    _drills(section, period)
    _restores(section, period)
    looking.table(section, period, "Checks", looking.of_area("backup.", "restore.", "dr.", "incident.drill"))
    exercises = Exercise.objects.filter(held_on__gte=period.start.date(), held_on__lt=period.end.date())
    section.fact("Exercises held", exercises.count(), "/compliance/exercises/")
    section.table(
        "Exercises",
        ["Held", "Kind", "Open actions"],
        [[day(one.held_on), one.get_kind_display(), one.open_actions] for one in exercises.order_by("held_on", "pk")],
        none="No plan was tried.",
    )


def _backups(section: Section, period: Period) -> None:
    requested = Backup.objects.filter(**period.inside("requested_at"))
    complete = requested.filter(finished_at__isnull=False).exclude(state=Backup.State.FAILED)
    section.fact("Backups made", complete.count(), PAGE)
    section.fact("Backups that failed", requested.filter(state=Backup.State.FAILED).count(), PAGE)
    verified = complete.filter(verified_ok=True)
    section.fact("Of them read back and found whole", verified.count(), PAGE)
    section.fact("Of them read back and found altered", complete.filter(verified_ok=False).count(), PAGE)
    newest = verified.aggregate(newest=Max("as_of"))["newest"]
    section.fact("The newest one found whole holds", at(newest) or "nothing", PAGE)
    if not Backup.objects.filter(verified_ok=True, as_of__lt=period.end).exists():
        section.note("No backup was ever found whole: what is lost is lost.")
    kinds = counted(complete, "type")
    section.table(
        "Backups by what they were made for",
        ["Made for", "Backups"],
        [[str(label), kinds.get(value, 0)] for value, label in Backup.Type.choices if kinds.get(value)],
        none="No backup was made.",
    )
    shipping = WalShipping.objects.first()
    if shipping is not None:
        section.fact("The log is without a gap since", at(shipping.since), PAGE)


def _drills(section: Section, period: Period) -> None:
    drills = Drill.objects.filter(**period.inside("started_at")).order_by("started_at")
    states = counted(drills, "state")
    section.fact("Restore drills", sum(states.values()), PAGE)
    section.fact("Of them passed", states.get(Drill.State.PASSED, 0), PAGE)
    section.table(
        "Restore drills",
        ["Held", "Came to", "Questions", "Well answered", "Back after, s", "Would be lost, s", "Why not"],
        [_drill_row(drill) for drill in drills],
        none="No backup was restored to see whether it can be.",
    )


def _drill_row(drill: Drill) -> list[str | int | float | None]:
    return [
        at(drill.started_at),
        drill.get_state_display(),
        len(drill.assertions),
        sum(assertion["ok"] is True for assertion in drill.assertions),
        _rounded(drill.rto_seconds),
        _rounded(drill.rpo_seconds),
        drill.failure,
    ]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _restores(section: Section, period: Period) -> None:
    requested: QuerySet[Restore] = Restore.objects.filter(**period.inside("requested_at")).select_related("backup")
    section.table(
        "Restores",
        ["Asked for", "Backup of", "Came to", "In an emergency"],
        [
            [at(one.requested_at), at(one.backup.as_of), one.get_state_display(), "yes" if one.emergency else ""]
            for one in requested.order_by("requested_at")
        ],
        none="Nobody asked for a restore.",
    )


def register() -> None:
    add("backups", fill)
