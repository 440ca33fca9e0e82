"""The audit trail in the shape its pages show it: one line per event, a person's day, an event's proof, the chain."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db import connection
from django.db.models import Count
from django.urls import reverse
from django.utils import timezone

from clinchat.lib import clock, ui_tags
from compliance import audit_vocabulary, audit_words
from compliance.audit import checkpoints, merkle, search, signing
from compliance.audit import seal as sealing
from compliance.audit.search import EventFilter
from compliance.models import AuditEvent, AuditVerification, Crude, Outcome, Seal, SealedEvent

DAY_SHOWN = 500
"""Events of one day that its page lists; the search has the rest."""
BOXES = 12
PROBLEMS_SHOWN = 10
STALE = timedelta(hours=36)
"""A trail nobody has verified for so long is called "Not verified", whatever was found before."""


@dataclass(frozen=True, slots=True)
class Line:
    """One event in a list. `object_url` and `patient_url` find the other events of the same object or patient."""

    event: AuditEvent
    url: str
    at: datetime
    who: str
    roles: str
    day_url: str
    what: str
    thing: str
    object_id: str
    object_url: str
    patient_url: str
    outcome: str
    position: int | None


def lines(events: Sequence[AuditEvent]) -> list[Line]:
    places = search.places(events)
    return [line(event, places.get(event.pk)) for event in events]


def line(event: AuditEvent, place: SealedEvent | None) -> Line:
    by_object = {"object_type": event.object_type, "object_id": event.object_id}
    return Line(
        event=event,
        url=reverse("audit-event", args=[event.pk]),
        at=event.timestamp,
        who=audit_words.who(event),
        roles=audit_words.roles(event),
        day_url=day_url(event.actor_id, event.timestamp) if event.actor_id else "",
        what=audit_words.what(event),
        thing=audit_words.thing(event.object_type) if event.object_type else "",
        object_id=event.object_id,
        object_url=search_url(by_object) if event.object_type and event.object_id else "",
        patient_url=search_url({"patient": event.patient}) if event.patient else "",
        outcome=audit_vocabulary.OUTCOMES.get(event.outcome, event.outcome),
        position=place.position if place else None,
    )


def search_url(data: dict[str, str]) -> str:
    return f"{reverse('audit')}?{urlencode(data)}#results"


def day_url(person: UUID, moment: date) -> str:
    day = timezone.localtime(moment).date() if isinstance(moment, datetime) else moment
    return reverse("audit-day", args=[person, day])


@dataclass(frozen=True, slots=True)
class Results:
    """One page of what a search found. `total` is in words, because nobody waits for an exact count."""

    lines: list[Line]
    total: str
    newer_url: str
    older_url: str


def results(filter: EventFilter, data: dict[str, str]) -> Results:  # noqa: A002  # its name everywhere
    """The page that `after` or `before` of `data` names, else the newest. Raises search.BadFilter and TooBroad."""
    after, before = data.get("after", ""), data.get("before", "")
    older: search.Cursor | None
    newer: search.Cursor | None
    if before and not after:
        found, newer = search.newer(filter, search.parse_cursor(before))
        older = search.cursor(found[-1]) if found else None
    else:
        found, older = search.page(filter, search.parse_cursor(after) if after else None)
        newer = search.cursor(found[0]) if found and after else None
    kept = {name: value for name, value in data.items() if name in search.NAMES and value}
    return Results(
        lines=lines(found),
        total=_total(filter),
        newer_url=search_url(kept | {"before": str(newer)}) if newer else "",
        older_url=search_url(kept | {"after": str(older)}) if older else "",
    )


def _total(filter: EventFilter) -> str:  # noqa: A002
    try:
        number, more = search.count(filter)
    except search.TooBroad:
        return "Too many events to count"
    if more:
        return f"More than {number:,} events"
    return f"{number:,} event{'' if number == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Hour:
    label: str
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Day:
    hours: list[Hour]
    totals: list[tuple[str, int]]
    events: int
    all_url: str
    """Where the rest is, when the day has more events than are shown."""


def day(person: UUID, on: date) -> Day:
    """What one person did on one day, oldest first. Raises search.TooBroad."""
    asked = EventFilter(person=person, since=on, until=on)
    found = search.events(asked).order_by("timestamp", "id")
    with search.patience():
        kinds: Counter[str] = Counter()
        counted = search.events(asked).order_by().values_list("action", "outcome").annotate(Count("pk"))
        for action, outcome, number in counted:
            kinds[_kind(action, outcome)] += number
        shown = lines(list(found[:DAY_SHOWN]))
    events = sum(kinds.values())
    by_hour = groupby(shown, key=lambda one: timezone.localtime(one.at).hour)
    return Day(
        hours=[Hour(f"{hour:02}:00 to {(hour + 1) % 24:02}:00", list(those)) for hour, those in by_hour],
        totals=[(name, kinds[name]) for name in ("Reads", "Changes", "Other acts", "Denied", "Failed") if kinds[name]],
        events=events,
        all_url=search_url(asked.given()) if events > DAY_SHOWN else "",
    )


def _kind(action: str, outcome: str) -> str:
    if outcome != Outcome.SUCCESS:
        return "Denied" if outcome == Outcome.DENIED else "Failed"
    return {Crude.READ.value: "Reads", Crude.EXECUTE.value: "Other acts"}.get(action, "Changes")


@dataclass(frozen=True, slots=True)
class Change:
    column: str
    old: str
    new: str
    protected: bool


def changes(event: AuditEvent) -> list[Change]:
    return [
        Change(audit_words.column(name), *_pair(old, new), protected=any(map(audit_words.protected, (old, new))))
        for name, (old, new) in sorted((event.changes or {}).items())
    ]


def _pair(old: Any, new: Any) -> tuple[str, str]:
    return audit_words.value_words(old), audit_words.value_words(new)


@dataclass(frozen=True, slots=True)
class Check:
    ok: bool
    words: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What ties one event to a signed statement, each step done again now."""

    place: SealedEvent
    seal: Seal
    leaf: str
    root: str
    anchored: str
    checks: list[Check]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


def proof(event: AuditEvent) -> Proof | None:
    """None while the event is not sealed yet."""
    place = SealedEvent.objects.filter(event=event.pk, timestamp=event.timestamp).first()
    seal = Seal.objects.filter(pk=place.seal_id).first() if place else None
    if place is None or seal is None:
        return None
    leaf = merkle.leaf_hash(bytes(event.canonical))
    checks = [
        Check(_as_recorded(event), "What this page shows is what was recorded"),
        Check(leaf == bytes(event.digest) == bytes(place.digest), "The record has the fingerprint that was sealed"),
        _tree(seal, place),
        Check(_signed(seal), f"Seal {seal.number:,} is signed with a key that is believed"),
    ]
    return Proof(place, seal, leaf.hex(), bytes(seal.root).hex(), _anchored(seal), checks)


def _as_recorded(event: AuditEvent) -> bool:
    """Whether the columns say what the bytes say that were hashed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT convert_to((to_jsonb(entry) - '{canonical,digest}'::text[])::text, 'UTF8') = entry.canonical "
            'FROM compliance_auditevent AS entry WHERE id = %s AND "timestamp" = %s',
            [event.pk, event.timestamp],
        )
        row = cursor.fetchone()
    return bool(row and row[0])


def _signed(seal: Seal) -> bool:
    """The statement is signed, and it is about the root that the row shows."""
    try:
        stated = json.loads(bytes(seal.statement))
        valid = signing.valid(key=seal.key_id, message=bytes(seal.statement), signature=bytes(seal.signature))
    except (ValueError, signing.KeyUnusable):
        return False
    return valid and (stated.get("number"), stated.get("root")) == (seal.number, bytes(seal.root).hex())


def _anchored(seal: Seal) -> str:
    newest = checkpoints.newest()
    if newest is None or newest.number < seal.number:
        return ""
    return f"Seal {newest.number:,}, which builds on this one, is written down outside the database"


def _tree(seal: Seal, place: SealedEvent) -> Check:
    leaves = SealedEvent.objects.filter(seal=seal).order_by("position").values_list("digest", flat=True)
    same = merkle.root([bytes(leaf) for leaf in leaves]) == bytes(seal.root)
    return Check(same, f"The fingerprint leads to the root of seal {seal.number:,}")


@dataclass(frozen=True, slots=True)
class Chain:
    """The state of the trail as every page of it says it. `tone` is one of ok, warn and crit."""

    tone: str
    state: str
    verified: str
    sealed: int
    waiting: int
    sealed_at: str
    head: str
    anchored: str
    boxes: list[str]
    boxes_label: str
    problems: list[dict[str, str]]
    more_problems: int
    notes: list[str]


def chain() -> Chain:
    now = sealing.state()
    verified, broken = now.verified, _broken()
    problems = broken.problems if broken else []
    boxes = _boxes(now.last.number if now.last else 0, verified.to_seal if verified and not broken else 0)
    return Chain(
        **_verdict(verified, broken),
        sealed=now.sealed,
        waiting=max(0, now.events - now.sealed),
        sealed_at=_when(now.last.sealed_at) if now.last else "",
        head=_short(bytes(now.last.root).hex()) if now.last else "",
        anchored=f"{_when(now.anchored_at)}, outside the database" if now.anchored_at else "Not yet",
        boxes=boxes,
        boxes_label=f"Newest {len(boxes)} seals, {boxes.count('ok')} of them verified",
        problems=[_problem(problem) for problem in problems[:PROBLEMS_SHOWN]],
        more_problems=max(0, len(problems) - PROBLEMS_SHOWN),
        notes=list(now.conditions),
    )


def _broken() -> AuditVerification | None:
    """The newest verification that found something, unless every event was read again since and nothing found."""
    healed = AuditVerification.objects.filter(ok=True, scope=AuditVerification.Scope.FULL).first()
    bad = AuditVerification.objects.filter(ok=False).first()
    return bad if bad and (healed is None or healed.ran_at < bad.ran_at) else None


def _verdict(verified: AuditVerification | None, broken: AuditVerification | None) -> dict[str, str]:
    if broken:
        number = len(broken.problems)
        words = f"Broken, {number:,} problem{'' if number == 1 else 's'}"
        return {"tone": "crit", "state": words, "verified": _verified(broken)}
    if verified is None:
        return {"tone": "warn", "state": "Not verified", "verified": "Not yet"}
    fresh = clock.now() - verified.ran_at < STALE
    tone, state = ("ok", "Intact") if fresh else ("warn", "Not verified")
    return {"tone": tone, "state": state, "verified": _verified(verified)}


def _verified(verification: AuditVerification) -> str:
    scope = str(verification.get_scope_display())
    return f"{_when(verification.ran_at)}, {scope[0].lower()}{scope[1:]}"


def _when(moment: datetime) -> str:
    """14:05, and the day with it unless it is today"""
    return ui_tags.at(moment).removeprefix("at ").removeprefix("on ")


def _boxes(last: int, verified: int) -> list[str]:
    return ["ok" if number <= verified else "open" for number in range(max(1, last - BOXES + 1), last + 1)]


def _problem(problem: dict[str, Any]) -> dict[str, str]:
    event = str(problem.get("event") or "")
    known = bool(event) and search.is_id(event) and AuditEvent.objects.filter(pk=event).exists()
    return {"words": str(problem.get("detail", "")), "url": reverse("audit-event", args=[event]) if known else ""}


def _short(digest: str) -> str:
    return f"{digest[:6]}…{digest[-4:]}"


def related(event: AuditEvent, most: int = 50) -> list[Line]:
    """The other events of the same request or task, oldest first."""
    if event.correlation_id is None:
        return []
    near = timedelta(days=1)  # one request; the bound keeps the search within a month or two
    others = AuditEvent.objects.filter(correlation_id=event.correlation_id).exclude(pk=event.pk)
    others = others.filter(timestamp__range=(event.timestamp - near, event.timestamp + near))
    return lines(list(others.order_by("timestamp", "id")[:most]))


def choices(words: dict[str, str], known: Iterable[str]) -> list[tuple[str, str]]:
    """Options of a select, by what is read."""
    return sorted(((value, words[value]) for value in known), key=lambda option: option[1].lower())
