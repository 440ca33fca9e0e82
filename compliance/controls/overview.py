"""What the compliance pages show: what needs attention, the score and its weeks, the controls, and one control."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.core.paginator import Page, Paginator
from django.urls import reverse

from clinchat.lib import charts, clock, ui_tags
from compliance.attention import Item, Tag
from compliance.continuity import overview as continuity
from compliance.continuity import urgent
from compliance.controls import attestations, catalogue, standing
from compliance.controls.catalogue import Check, Control, Kind, Safeguard
from compliance.controls.registry import registered
from compliance.controls.scoring import CREDIT, KEPT, WORDS, CheckStand, Row, Score, State
from compliance.models import (
    Attestation,
    CheckSchedule,
    ControlException,
    ControlOwner,
    ControlResult,
    ControlStatus,
    Official,
    User,
)

TARGET: Final = 95
ATTENTION: Final = 6
"""Items that the dashboard lists; the table below it has all."""
SOON: Final = timedelta(days=14)
ON_A_PAGE: Final = 50
LOOKS: Final = {
    State.PASS: ("ok", "circle-check"),
    State.ATTESTED: ("ok", "file-check-2"),
    State.FAIL: ("crit", "circle-x"),
    State.ERROR: ("major", "octagon-alert"),
    State.STALE: ("major", "clock"),
    State.LAPSED: ("warn", "triangle-alert"),
    State.EXCEPTION: ("warn", "hourglass"),
    State.NOT_APPLICABLE: ("", "circle"),
}
"""Class and icon of the tag for each state."""


def tag(state: str) -> Tag:
    look, icon = LOOKS[State(state)]
    return Tag(look, icon, WORDS[State(state)])


@dataclass(frozen=True, slots=True)
class Line:
    """One control in the table."""

    control: Control
    row: Row
    tag: Tag
    since: datetime | None
    evidence: str
    checked: datetime | None
    owner: str


class Show(StrEnum):
    """Filters of the table."""

    WORK = "work"
    GATES = "gates"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Filter:
    key: str
    words: str
    count: int
    current: bool


@dataclass(frozen=True, slots=True)
class Dashboard:
    score: Score
    attention: Sequence[Item]
    more: int
    trend: charts.Chart
    change: float | None
    lines: Sequence[Line]
    filters: Sequence[Filter]
    counted: int
    kept: int
    failing: Sequence[Control]
    recovery: continuity.Overview
    target: int = TARGET

    @property
    def ticked(self) -> charts.Dot:
        """Where the target stands on the gauge: an arc of 80 around 100, 108."""
        angle = math.pi * (1 - self.target / 100)
        return charts.Dot(round(100 + 80 * math.cos(angle), 1), round(108 - 80 * math.sin(angle), 1), "", marked=True)


def dashboard(viewer: User, show: str) -> Dashboard:
    """`show`: work, gates, all or the name of a safeguard; anything else is what needs work."""
    now = clock.now()
    weeks = standing.trend(now)
    found = weeks[-1]
    known = catalogue.current().by_id
    rows = [row for row in found.rows if row.control in known]
    since = {one.control: one.since for one in ControlStatus.objects.all()}
    owners = _owners(known.values())
    there = {row.control for row in rows}
    rows += [_unseen(one) for one in known.values() if one.id not in there]
    lines = [_line(known[row.control], row, since, owners) for row in rows]
    recovery = continuity.overview()
    items = [*urgent.attention(recovery, viewer), *_failing(lines), *_decisions(viewer), *_lapsing(now)]
    counted = [row for row in rows if not row.proposed and row.state is not State.NOT_APPLICABLE]
    return Dashboard(
        score=found,
        attention=items[:ATTENTION],
        more=max(0, len(items) - ATTENTION),
        trend=_trend(weeks),
        change=_change(weeks),
        lines=[line for line in lines if _shown(line, show)],
        filters=_filters(lines, show),
        counted=len(counted),
        kept=sum(row.state in KEPT for row in counted),
        failing=[known[control] for control in found.failing_gates if control in known],
        recovery=recovery,
    )


def _owners(controls: Iterable[Control]) -> dict[str, str]:
    """Who answers for each control, by name or office, in two queries."""
    named = {one.control: one.owner.name for one in ControlOwner.objects.select_related("owner")}
    officials = Official.objects.filter(until=None, deputy=False).select_related("person")
    offices = {one.office: one.person.name for one in officials}
    words = dict(Official.Office.choices)
    found = {}
    for control in controls:
        office = control.duty.office if control.duty else Official.Office.SECURITY
        found[control.id] = named.get(control.id) or offices.get(office) or words[office]
    return found


def _line(control: Control, row: Row, since: dict[str, datetime], owners: dict[str, str]) -> Line:
    times = [stand.at for stand in row.checks if stand.at]
    known = sum(stand.state in {State.PASS, State.FAIL} for stand in row.checks)
    evidence = f"{known} of {len(row.checks)} {'check' if len(row.checks) == 1 else 'checks'}" if row.checks else ""
    if control.duty and row.attested:
        evidence = ", ".join(filter(None, [evidence, f"signed until {ui_tags.day(row.attested)}"]))
    return Line(
        control=control,
        row=row,
        tag=tag(row.state),
        since=since.get(control.id),
        evidence=evidence or "No signature",
        checked=min(times, default=None),
        owner=owners[control.id],
    )


def _shown(line: Line, show: str) -> bool:
    match show:
        case Show.ALL:
            return True
        case Show.GATES:
            return line.control.gate
        case _ if show in set(Safeguard):
            return line.control.safeguard == show
        case _:
            return _needs_work(line)


def _needs_work(line: Line) -> bool:
    return line.row.credit < 1 and line.row.state is not State.NOT_APPLICABLE


def _filters(lines: Sequence[Line], show: str) -> list[Filter]:
    keys: list[tuple[str, str]] = [(Show.WORK, "Needs work"), (Show.GATES, "Gates")]
    keys += [(str(one), str(one)) for one in Safeguard]
    keys.append((Show.ALL, "All"))
    present = show if show in {key for key, _ in keys} else Show.WORK
    return [
        Filter(str(key), words, sum(_shown(line, key) for line in lines), current=key == present) for key, words in keys
    ]


def _trend(weeks: Sequence[Score]) -> charts.Chart:
    last = weeks[-1]
    weeks = [one for one in weeks if one.checks_known or one is last]  # before the first check there was no score
    places, first = charts.places(len(weeks)), weeks[0]
    line = charts.Line(
        "Score",
        [
            charts.Point(x, one.value / 100, f"{ui_tags.day(one.at)}: {one.value:g}", marked=one is last)
            for x, one in zip(places, weeks, strict=True)
        ],
    )
    target = charts.Line(f"Target {TARGET}", [charts.Point(0, TARGET / 100), charts.Point(1, TARGET / 100)])
    return charts.chart(
        f"Score week by week since {ui_tags.day(first.at)}: from {first.value:g} to {last.value:g}, target {TARGET}",
        [line, target],
        below=[(x, ui_tags.day(one.at).split(",")[0]) for x, one in zip(places, weeks, strict=True)],
        head=["Day", "Score", "Gates not kept", "Checks with a result"],
        rows=[
            [ui_tags.day(one.at), f"{one.value:g}", str(len(one.failing_gates)), f"{one.checks_known} of {one.checks}"]
            for one in weeks
        ],
    )


def _change(weeks: Sequence[Score]) -> float | None:
    """Points in four weeks, where there were results four weeks ago."""
    before = weeks[-5] if len(weeks) > 4 else weeks[0]
    return round(weeks[-1].value - before.value, 1) if before.checks_known else None


# ── What needs attention ───────────────────────────────────────────────────────────────────────────────────────


def _failing(lines: Sequence[Line]) -> list[Item]:
    """Gates first, then what fails, then what nobody could look at; each by its weight."""
    order = {State.FAIL: 0, State.STALE: 1, State.ERROR: 2}
    bad = [line for line in lines if line.row.state in order]
    bad.sort(key=lambda line: (not line.control.gate, order[line.row.state], -line.control.weight))
    return [
        Item(
            "crit" if line.control.gate else line.tag.look,
            line.tag.icon,
            "Gate" if line.control.gate else line.control.id,
            f"{line.control.title}: {line.tag.words.lower()}",
            _why(line.row),
            reverse("control", args=[line.control.id]),
            "Open",
        )
        for line in bad
    ]


def _why(row: Row) -> str:
    bad = [stand.key for stand in row.checks if stand.state is not State.PASS]
    return f"See {ui_tags.listed(bad)}." if bad else ""


def _decisions(viewer: User) -> list[Item]:
    waiting = ControlException.objects.filter(status=ControlException.Status.REQUESTED).select_related("requested_by")
    known = catalogue.current().by_id
    return [
        Item(
            "warn",
            "hourglass",
            "Decision",
            f"{known[one.control].title}: an exception waits for a second person",
            f"Asked for by {one.requested_by.name}, until {ui_tags.day(one.expires_at)}.",
            reverse("control", args=[one.control]),
            "Decide",
        )
        for one in waiting
        if one.control in known and one.requested_by_id != viewer.pk
    ]


def _lapsing(now: datetime) -> list[Item]:
    known = catalogue.current().by_id
    soon = Attestation.objects.live(now).filter(review_by__lte=now + SOON).select_related("owner").defer("artifact")
    return [
        Item(
            "warn",
            "clock",
            "Review",
            f"{known[one.control].title}: the signature ends on {ui_tags.day(one.review_by)}",
            f"Signed by {one.owner.name}.",
            reverse("control", args=[one.control]),
            "Open",
        )
        for one in soon
        if one.control in known
    ]


# ── One control ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class CheckShown:
    check: Check
    stand: CheckStand
    tag: Tag
    result: ControlResult | None
    every: int
    strip: Sequence[Tag]
    """The last results, the oldest first."""
    missing: str


@dataclass(frozen=True, slots=True)
class ControlShown:
    control: Control
    row: Row
    tag: Tag
    since: datetime | None
    owner: User | None
    office: str
    checks: Sequence[CheckShown]
    attestation: Attestation | None
    attestations: Sequence[Attestation]
    exceptions: Sequence[ControlException]
    excepted: bool
    """One is asked for or in force, so no other can be."""
    worth: str


STRIP: Final = 24
OPEN: Final = frozenset({ControlException.Status.REQUESTED, ControlException.Status.APPROVED})


def control(control_id: str) -> ControlShown | None:
    """Everything about one control of the catalogue; None for one it does not have."""
    one = catalogue.current().by_id.get(control_id)
    if one is None:
        return None
    row = next((row for row in standing.now().rows if row.control == one.id), None) or _unseen(one)
    status = ControlStatus.objects.filter(control=one.id, state=row.state).first()
    signed = list(Attestation.objects.filter(control=one.id).select_related("owner").defer("artifact"))
    live = [each for each in signed if each.ended_at is None and each.review_by > clock.now()]
    exceptions = ControlException.objects.filter(control=one.id).select_related("requested_by", "decided_by")
    return ControlShown(
        control=one,
        row=row,
        tag=tag(row.state),
        since=status.since if status else None,
        owner=attestations.owner_of(one),
        office=dict(Official.Office.choices)[one.duty.office if one.duty else Official.Office.SECURITY],
        checks=_checks(one, row),
        attestation=live[0] if live else None,
        attestations=signed,
        exceptions=list(exceptions),
        excepted=any(each.status in OPEN and each.expires_at > clock.now() for each in exceptions),
        worth=_worth(one, row),
    )


def _unseen(one: Control) -> Row:
    """A control that is new in this catalogue, under which no check was made yet."""
    return Row(one.id, State.ERROR, one.gate, one.weight, (), proposed=one.kind is Kind.PROPOSED)


def _checks(one: Control, row: Row) -> list[CheckShown]:
    known = registered()
    own = {each.check_key: each.minutes for each in CheckSchedule.objects.all()}
    stands = {stand.key: stand for stand in row.checks}
    found = []
    for check in one.checks:
        last = list(ControlResult.objects.filter(check_key=check.key).order_by("-started_at")[:STRIP])
        function = known.get(check.key)
        stand = stands.get(check.key) or CheckStand(check.key, State.ERROR, None)
        found.append(
            CheckShown(
                check=check,
                stand=stand,
                tag=tag(stand.state),
                result=last[0] if last else None,
                every=min(own.get(check.key, check.minutes), check.minutes),
                strip=[tag(each.state) for each in reversed(last)],
                missing=function.missing if function else "No part of ClinChat makes this check.",
            )
        )
    return found


def _worth(one: Control, row: Row) -> str:
    if one.kind is Kind.PROPOSED:
        return "Counts for readiness for the proposed rule, not for the score."
    share = {0.0: "nothing", 0.5: "half"}.get(CREDIT.get(row.state, 0.0), "all")
    gate = " It is a gate: while it is not kept, the score is 69 at most." if one.gate else ""
    return f"Weight {one.weight}, of which it earns {share}.{gate}"


def history(check_key: str, page: str) -> Page[ControlResult]:
    """The results of one check, the newest first."""
    return Paginator(ControlResult.objects.filter(check_key=check_key), ON_A_PAGE).get_page(page)
