"""Learners, the cohort, evidence and questions as the API shows them; each beside what the OpenAPI document says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers

from training.api import shown
from training.api.shown_requests import DecisionTold, decision
from training.bank import statistics
from training.bank.types import Difficulty
from training.cohort import Dashboard, Row, Status
from training.evidence import Evidence, Sat
from training.items import Line, Misconception, OfVersion, Part, Report
from training.models import Accommodation, ModuleVersion


class LearnerTold(serializers.Serializer[Any]):
    """Somebody whose training you supervise."""

    person = shown.PersonNamed()
    more_time = serializers.ChoiceField(
        choices=Accommodation.More.choices, allow_null=True, help_text="Null: the usual time."
    )
    transcript = shown.TranscriptTold()


# ── Evidence ───────────────────────────────────────────────────────────────────────────────────────────────────


class LessonReadTold(serializers.Serializer[Any]):
    module = serializers.CharField()
    lesson = serializers.CharField()
    at = serializers.DateTimeField()
    sha256 = serializers.CharField(help_text="Of the text that was read.")


class AskedTold(serializers.Serializer[Any]):
    """A question of a form in words."""

    number = serializers.IntegerField()
    item = serializers.CharField()
    asked = serializers.CharField()
    shown = serializers.CharField(help_text="What there was to choose from, in its order.")
    given = serializers.CharField()
    points = serializers.CharField(help_text="Empty until it is graded and no other attempt is left.")


class SatTold(shown.AttemptBrief):
    module = serializers.CharField()
    title = serializers.CharField()
    version = serializers.CharField()
    seed = serializers.CharField(help_text="The form follows from it and the version.")
    points = serializers.FloatField(allow_null=True)
    most = serializers.IntegerField(allow_null=True)
    pass_percent = serializers.IntegerField(allow_null=True)
    attested = serializers.BooleanField(help_text="The person said that the answers are their own.")
    questions = AskedTold(many=True, help_text="For who may export them; empty for others.")


class ClearanceTold(serializers.Serializer[Any]):
    granted_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    revoked_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField()


class EvidenceTold(serializers.Serializer[Any]):
    """Everything about one person, each part in the order it happened."""

    as_of = serializers.DateTimeField()
    person = shown.PersonNamed()
    certificates = shown.CertificateTold(many=True)
    lessons = LessonReadTold(many=True)
    attempts = SatTold(many=True)
    policies = shown.AcceptedPolicy(many=True)
    decisions = DecisionTold(many=True)
    clearances = ClearanceTold(many=True)


def evidence(found: Evidence, *, whole: bool) -> dict[str, Any]:
    """`whole`: with each question of each form, as only who may export it gets it."""
    periods = ("granted_at", "expires_at", "revoked_at", "reason")
    return {
        "person": shown.person(found.person),
        "certificates": [shown.certificate(one) for one in found.certificates],
        "lessons": [
            {"module": one.enrolment.slug, "lesson": one.lesson, "at": one.read_at, "sha256": one.digest}
            for one in found.reads
        ],
        "attempts": [_sat(one, whole=whole) for one in found.sat],
        "policies": [shown.accepted(one) for one in found.policies],
        "decisions": [decision(one) for one in found.decisions],
        "clearances": [{name: getattr(one, name) for name in periods} for one in found.clearances],
    }


def _sat(found: Sat, *, whole: bool) -> dict[str, Any]:
    attempt = found.attempt
    return shown.attempt(attempt) | {
        "module": attempt.enrolment.slug,
        "title": found.title,
        "version": found.version,
        "seed": attempt.seed,
        "points": None if attempt.points is None else float(attempt.points),
        "most": attempt.most,
        "pass_percent": attempt.pass_percent,
        "attested": attempt.attested,
        "questions": [one._asdict() for one in found.questions] if whole else [],
    }


# ── The cohort ─────────────────────────────────────────────────────────────────────────────────────────────────


class DepartmentTold(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="Empty: people without one.")
    people = serializers.IntegerField()
    complete = serializers.IntegerField(help_text="All modules passed.")
    expired = serializers.IntegerField(help_text="A certificate has ended.")
    locked = serializers.IntegerField(help_text="Every attempt of a module failed.")


class ModuleCounted(serializers.Serializer[Any]):
    title = serializers.CharField()
    counts = serializers.DictField(child=serializers.IntegerField(), help_text="People by status.")


class ModuleStatus(serializers.Serializer[Any]):
    title = serializers.CharField()
    status = serializers.ChoiceField(choices=Status.choices)


class MemberTold(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    department = serializers.CharField()
    passed = serializers.IntegerField()
    expires_at = serializers.DateTimeField(allow_null=True, help_text="When the first certificate ends.")
    modules = ModuleStatus(many=True)


class CohortTold(serializers.Serializer[Any]):
    as_of = serializers.DateTimeField()
    people = serializers.IntegerField(help_text="All you reach.")
    complete = serializers.IntegerField()
    departments = DepartmentTold(many=True)
    modules = ModuleCounted(many=True)
    total = serializers.IntegerField(help_text="People who fit.")
    page = serializers.IntegerField()
    pages = serializers.IntegerField()
    members = MemberTold(many=True, help_text="Those of the page, by name.")


def cohort(found: Dashboard) -> dict[str, Any]:
    copied = ("as_of", "people", "complete")
    return {name: getattr(found, name) for name in copied} | {
        "departments": [vars(one) for one in found.departments],
        "modules": [{"title": found.titles[slug], "counts": counts} for slug, counts in found.counts.items()],
        "total": found.page.total,
        "page": found.page.number,
        "pages": found.page.pages,
        "members": [_member(row) for row in found.page.rows],
    }


def _member(row: Row) -> dict[str, Any]:
    return {
        "id": row.person_id,
        "name": row.name,
        "department": row.department,
        "passed": row.passed,
        "expires_at": row.expires,
        "modules": [{"title": one.title, "status": str(one.status)} for one in row.cells],
    }


# ── Questions ──────────────────────────────────────────────────────────────────────────────────────────────────


class ItemBrief(serializers.Serializer[Any]):
    """A question and its figures, from first attempts."""

    key = serializers.CharField()
    kind = serializers.ChoiceField(choices=shown.KINDS)
    objective = serializers.CharField(help_text="Its key.")
    meant = serializers.ChoiceField(choices=[str(one) for one in Difficulty], help_text="How hard it is meant to be.")
    question = serializers.CharField()
    n = serializers.IntegerField(help_text="How many had it.")
    difficulty = serializers.FloatField(allow_null=True, help_text="Mean of the points. Null: too few had it.")
    discrimination = serializers.FloatField(allow_null=True, help_text="Corrected point-biserial.")
    flags = serializers.ListField(child=serializers.CharField(), help_text="What to look at, in words.")
    suspect = serializers.BooleanField(help_text="Something may be wrong with it.")


class ItemsTold(serializers.Serializer[Any]):
    module = serializers.CharField(allow_null=True, help_text="Null: it is not in force.")
    version = serializers.CharField(allow_null=True)
    attempts = serializers.IntegerField()
    reliability = serializers.FloatField(allow_null=True, help_text="KR-20. Null: too few attempts.")
    enough = serializers.IntegerField(help_text="Below so many nothing is said.")
    items = ItemBrief(many=True)


class OptionUse(serializers.Serializer[Any]):
    text = serializers.CharField()
    why = serializers.CharField()
    right = serializers.BooleanField()
    n = serializers.IntegerField()
    share = serializers.FloatField()


class PartUse(serializers.Serializer[Any]):
    words = serializers.CharField()
    options = OptionUse(many=True)


class VersionFigures(serializers.Serializer[Any]):
    version = serializers.CharField()
    n = serializers.IntegerField()
    difficulty = serializers.FloatField()
    current = serializers.BooleanField(help_text="It read there as it does now.")


class ItemWhole(ItemBrief):
    module = serializers.CharField()
    version = serializers.CharField()
    clause = serializers.CharField()
    case = serializers.CharField()
    parts = PartUse(many=True)
    trend = VersionFigures(many=True)


class MisconceptionTold(serializers.Serializer[Any]):
    item = serializers.CharField()
    question = serializers.CharField()
    option = OptionUse()
    lessons = serializers.ListField(child=serializers.CharField(), help_text="Keys of those to read.")


class ObjectiveMistaken(serializers.Serializer[Any]):
    objective = serializers.CharField()
    misconceptions = MisconceptionTold(many=True)


class MisconceptionsTold(serializers.Serializer[Any]):
    objectives = ObjectiveMistaken(many=True)


NO_REPORT: dict[str, Any] = {
    "module": None,
    "version": None,
    "attempts": 0,
    "reliability": None,
    "enough": statistics.ENOUGH,
    "items": [],
}


def report(found: Report) -> dict[str, Any]:
    return NO_REPORT | {
        "module": found.version.slug,
        "version": found.version.version,
        "attempts": found.attempts,
        "reliability": found.reliability,
        "items": [_line(one) for one in found.lines],
    }


def item(version: ModuleVersion, line: Line, parts: Sequence[Part], trend: Sequence[OfVersion]) -> dict[str, Any]:
    return _line(line) | {
        "module": version.slug,
        "version": version.version,
        "clause": line.item.clause,
        "case": line.item.case,
        "parts": [{"words": one.words, "options": [vars(option) for option in one.options]} for one in parts],
        "trend": [vars(one) for one in trend],
    }


def misconception(objective: str, found: Sequence[Misconception]) -> dict[str, Any]:
    return {
        "objective": objective,
        "misconceptions": [
            {
                "item": one.item.key,
                "question": one.item.question,
                "option": vars(one.option),
                "lessons": [lesson.key for lesson in one.lessons],
            }
            for one in found
        ],
    }


def _line(found: Line) -> dict[str, Any]:
    return {
        "key": found.item.key,
        "kind": str(found.item.kind),
        "objective": found.item.objective,
        "meant": str(found.item.difficulty),
        "question": found.item.question,
        "n": found.n,
        "difficulty": found.figures.difficulty if found.figures else None,
        "discrimination": found.figures.discrimination if found.figures else None,
        "flags": list(found.flags),
        "suspect": found.suspect,
    }
