"""What can be shown of somebody's training years later: who knew what, when, and who granted what because of it.

Nothing of it is ever deleted (training.migrations.0002_rules), so it reaches back further than the six years that
45 CFR 164.316(b)(2)(i) asks for. The words of a question are those of the version the person was asked in.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet, TextField
from django.db.models.functions import Cast

from clinchat.lib import clock, ui_tags
from compliance.audit.export import FORMULA
from compliance.models import Clearance, PolicyAcknowledgement, User
from training.bank import wording
from training.bank.types import Item
from training.models import Answer, Attempt, Certificate, Enrolment, LessonRead, ModuleVersion, StageDecision

M = TypeVar("M", bound=Model)

AT_ONCE: Final = 50
"""People read together."""
LEFT: Final = (Attempt.State.UNUSED, Attempt.State.OPEN)
LONG: Final = 40
"""Cells that are worth remembering: texts of questions."""
ATTESTED: Final = "The person said that the answers are their own"
FIELDS: Final = (
    "person_id",
    "name",
    "department",
    "record",
    "at",
    "subject",
    "version",
    "what",
    "shown",
    "given",
    "points",
    "of",
    "result",
    "by",
    "note",
)
"""Columns of the CSV. `record` is certificate, lesson, attempt, question, policy, approval or clearance."""
_QUOTED: Final = re.compile(r'[",\r\n]')


class Question(NamedTuple):
    """One question of an attempt in words, as shown and as answered."""

    number: int
    item: str
    asked: str
    shown: str
    given: str
    points: str
    """Empty while the person may try again: they would tell what was right, to them as well."""


@dataclass(frozen=True)
class Sat:
    """An attempt that was begun, with its form."""

    attempt: Attempt
    title: str
    version: str
    questions: Sequence[Question]


@dataclass(frozen=True)
class Evidence:
    """Everything about one person, each part in the order it happened."""

    person: User
    certificates: Sequence[Certificate]
    reads: Sequence[LessonRead]
    sat: Sequence[Sat]
    policies: Sequence[PolicyAcknowledgement]
    decisions: Sequence[StageDecision]
    clearances: Sequence[Clearance]


def of(person: User) -> Evidence:
    return next(_of([person]))


def _of(people: Sequence[User]) -> Iterator[Evidence]:
    """Of several people at once: nine statements."""
    ids = [person.pk for person in people]
    certificates = _by(Certificate.objects.filter(person__in=ids).order_by("issued_at"), lambda one: one.person_id)
    reads = LessonRead.objects.filter(enrolment__person__in=ids).select_related("enrolment").order_by("read_at")
    policies = PolicyAcknowledgement.objects.filter(person__in=ids).select_related("policy").order_by("at")
    decisions = StageDecision.objects.filter(applicant__in=ids).select_related("by", "delegation__owner").order_by("at")
    clearances = Clearance.objects.filter(user__in=ids).order_by("granted_at")
    lessons = _by(reads, lambda one: one.enrolment.person_id)
    accepted, decided = _by(policies, lambda one: one.person_id), _by(decisions, lambda one: one.applicant_id)
    cleared, sat = _by(clearances, lambda one: one.user_id), _sat(ids)
    for person in people:
        key = person.pk
        yield Evidence(person, certificates[key], lessons[key], sat[key], accepted[key], decided[key], cleared[key])


def _by(rows: QuerySet[M], key: Callable[[M], UUID]) -> dict[UUID, list[M]]:
    found: dict[UUID, list[M]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def _sat(people: Sequence[UUID]) -> dict[UUID, list[Sat]]:
    begun = Attempt.objects.filter(enrolment__person__in=people).exclude(state=Attempt.State.UNUSED)
    begun = begun.select_related("enrolment", "unlocked_by").order_by("started_at")
    answers: dict[UUID, list[tuple[Any, ...]]] = defaultdict(list)
    rows = Answer.objects.filter(attempt__enrolment__person__in=people).exclude(attempt__state=Attempt.State.UNUSED)
    columns = ("number", "item", Cast("orders", TextField()), Cast("given", TextField()), "points")
    for key, *row in rows.order_by("number").values_list("attempt_id", *columns):
        answers[key].append(tuple(row))
    versions = ModuleVersion.objects.defer("content").in_bulk({one.version_id for one in begun if one.version_id})
    left = Enrolment.objects.open().filter(person__in=people, attempts__state__in=LEFT)
    untold = set(left.values_list("pk", flat=True))
    found: dict[UUID, list[Sat]] = defaultdict(list)
    for attempt in begun:
        version, told = versions[attempt.version_id], attempt.enrolment_id not in untold
        questions = [_question(str(version.pk), *row, told=told) for row in answers[attempt.pk]]
        found[attempt.enrolment.person_id].append(Sat(attempt, version.title, version.version, questions))
    return found


def _question(
    version: str, number: int, key: str, orders: str, given: str | None, points: Any, *, told: bool
) -> Question:
    earned = _earned(points) if told else ""
    return Question(
        number, key, _asked(version, key), _shown(version, key, orders), _given(version, key, given), earned
    )


# Of thousands of people many were shown the same in the same order: each of these is put into words once.


@lru_cache(maxsize=24)
def _items(version: str) -> dict[str, Item]:
    found = ModuleVersion.objects.defer("content").get(pk=version)
    return {item.key: item for item in found.module.items}


@lru_cache(maxsize=2_000)
def _asked(version: str, key: str) -> str:
    item = _items(version).get(key)
    return wording.asked(item) if item else ""


@lru_cache(maxsize=20_000)
def _shown(version: str, key: str, orders: str) -> str:
    item = _items(version).get(key)
    return wording.shown(item, json.loads(orders)) if item else ""


@lru_cache(maxsize=20_000)
def _given(version: str, key: str, given: str | None) -> str:
    item = _items(version).get(key)
    return wording.given(item, json.loads(given)) if item and given else wording.OPEN


@lru_cache(maxsize=1_000)
def _earned(points: Any) -> str:
    return "" if points is None else f"{float(points):g}"


# ── As rows ────────────────────────────────────────────────────────────────────────────────────────────────────


def lines(people: Iterable[User]) -> Iterator[bytes]:
    """The CSV of any number of people, made while it is read; cells that a spreadsheet would run begin with '."""
    yield _csv([FIELDS])
    for evidence in _all(people):
        yield _csv(_rows(evidence))


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    """As csv.writer does, which looks at each letter of the same questions again and again."""
    return "".join(
        [",".join([_cell(one) if len(one) < LONG else _kept_cell(one) for one in row]) + "\r\n" for row in rows]
    ).encode()


def _cell(text: str) -> str:
    if text.startswith(FORMULA):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


_kept_cell = lru_cache(maxsize=30_000)(_cell)


def _all(people: Iterable[User]) -> Iterator[Evidence]:
    together: list[User] = []
    for person in people:
        together.append(person)
        if len(together) == AT_ONCE:
            yield from _of(together)
            together = []
    if together:
        yield from _of(together)


def _rows(one: Evidence) -> Iterator[list[str]]:
    who = [str(one.person.pk), one.person.name, one.person.department]

    def row(record: str, at: datetime | None, **more: str) -> list[str]:
        given = {"record": record, "at": at.isoformat(timespec="seconds") if at else "", **more}
        return [*who, *(given.get(name, "") for name in FIELDS[3:])]

    for read in one.reads:
        yield row("lesson", read.read_at, subject=read.enrolment.slug, what=read.lesson, note=f"SHA-256 {read.digest}")
    for sat in one.sat:
        attempt = sat.attempt
        base = {"subject": sat.title, "version": sat.version}
        yield row("attempt", attempt.submitted_at or attempt.started_at, **base, **_of_attempt(attempt))
        first = row("question", attempt.submitted_at or attempt.started_at, **base)[: FIELDS.index("what")]
        for number, item, asked, shown, given, points in sat.questions:
            yield [*first, f"{number}. [{item}] {asked}", shown, given, points, "1", "", "", ""]
    for certificate in one.certificates:
        result = f"valid until {certificate.expires_at.date().isoformat()}"
        if certificate.revoked_at:
            result = f"revoked {certificate.revoked_at.date().isoformat()}"
        yield row(
            "certificate",
            certificate.issued_at,
            subject=certificate.title,
            version=certificate.version,
            what=str(certificate.pk),
            result=result,
            note=certificate.revoke_reason,
        )
    for accepted in one.policies:
        yield row(
            "policy", accepted.at, subject=accepted.policy.title, version=accepted.policy.version, what="accepted"
        )
    for decision in one.decisions:
        yield row(
            "approval",
            decision.at,
            subject=f"round {decision.round}",
            what=decision.get_step_display(),
            result=f"{decision.get_before_display()} to {decision.get_after_display()}",
            given=decision.granted,
            by=decision.by_whom,
            note=decision.reason,
        )
    for clearance in one.clearances:
        ended = clearance.revoked_at
        result = (
            f"closed {ended.isoformat(timespec='seconds')}" if ended else f"until {clearance.expires_at.isoformat()}"
        )
        yield row(
            "clearance", clearance.granted_at, what=clearance.get_basis_display(), result=result, note=clearance.reason
        )


def _of_attempt(attempt: Attempt) -> dict[str, str]:
    result = "begun" if attempt.passed is None else "passed" if attempt.passed else "not passed"
    unlocked = ""
    if attempt.unlocked_by is not None:
        unlocked = f"Unlocked by {attempt.unlocked_by.name}: {attempt.unlock_reason}. "
    return {
        "what": f"attempt {attempt.number}, form {attempt.seed}",
        "points": "" if attempt.points is None else f"{float(attempt.points):g}",
        "of": "" if attempt.most is None else str(attempt.most),
        "result": result,
        "note": f"{unlocked}{ATTESTED if attempt.attested else ''}".strip(),
    }


# ── As a document ──────────────────────────────────────────────────────────────────────────────────────────────


def document(one: Evidence) -> bytes:
    """The same as PDF."""
    from clinchat.lib.pdf import Document

    now, person = clock.now(), one.person
    made = Document(title=f"Training record: {person}", as_of=f"As of {ui_tags.moment(now)}")
    made.paragraph(f"{person}, {person.department or 'no department'}. Account {person.pk}.")
    made.heading("Certificates")
    made.table(
        ["Module", "Version", "Issued", "Valid until", "Points", "Number"],
        [[c.title, c.version, ui_tags.day(c.issued_at), _until(c), _percent(c), str(c.pk)] for c in one.certificates],
        widths=[24, 10, 13, 20, 8, 25],
    )
    made.heading("Policies accepted")
    made.table(
        ["Policy", "Version", "Accepted"],
        [[a.policy.title, a.policy.version, ui_tags.moment(a.at)] for a in one.policies],
        widths=[50, 20, 30],
    )
    made.heading("Approvals")
    made.table(
        ["When", "Step", "By", "What was granted", "Reason"],
        [[ui_tags.moment(d.at), d.get_step_display(), d.by_whom, d.granted, d.reason] for d in one.decisions],
        widths=[14, 18, 16, 34, 18],
    )
    made.heading("Access")
    made.table(
        ["From", "Until", "Rests on"],
        [
            [ui_tags.moment(c.granted_at), ui_tags.moment(c.revoked_at or c.expires_at), c.reason]
            for c in one.clearances
        ],
        widths=[25, 25, 50],
    )
    made.heading("Lessons read")
    made.table(
        ["When", "Module", "Lesson"],
        [[ui_tags.moment(r.read_at), r.enrolment.slug, r.lesson] for r in one.reads],
        widths=[24, 26, 50],
    )
    for sat in one.sat:
        facts = _of_attempt(sat.attempt)
        begun = sat.attempt.started_at
        made.heading(f"{sat.title}, version {sat.version}, attempt {sat.attempt.number}")
        score = f"{facts['points']} of {facts['of']} points" if facts["points"] else "not submitted"
        when = ui_tags.moment(begun) if begun else ""
        made.paragraph(f"Begun {when}. Form {sat.attempt.seed}. {score}, {facts['result']}. {facts['note']}")
        made.table(
            ["No.", "Question", "Shown, in this order", "Answer", "Points"],
            [[str(q.number), f"{q.asked} [{q.item}]", q.shown, q.given, q.points] for q in sat.questions],
            widths=[5, 32, 33, 23, 7],
        )
    return made.made()


def _until(certificate: Certificate) -> str:
    if certificate.revoked_at:
        return f"Revoked {ui_tags.day(certificate.revoked_at)}"
    return ui_tags.day(certificate.expires_at)


def _percent(certificate: Certificate) -> str:
    return "" if certificate.percent is None else f"{certificate.percent}%"
