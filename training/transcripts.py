"""Everything somebody has done in training, for themselves and for who answers for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count

from compliance.models import PolicyAcknowledgement, User
from training import attempts
from training.models import Attempt, Certificate, Enrolment, ModuleVersion


@dataclass(frozen=True)
class Tried:
    """An attempt that was begun, with its score once it is graded."""

    attempt: Attempt
    percent: int | None


@dataclass(frozen=True)
class Turn:
    """One turn through one module. `title` is that of today."""

    enrolment: Enrolment
    title: str
    lessons_read: int
    tried: Sequence[Tried]
    left: int

    @property
    def stuck(self) -> bool:
        """Every attempt failed, and nobody has unlocked another."""
        over = self.enrolment.completed_at or self.enrolment.closed_at
        graded = all(one.percent is not None for one in self.tried)
        return not over and bool(self.tried) and not self.left and graded


@dataclass(frozen=True)
class Transcript:
    turns: Sequence[Turn]
    certificates: Sequence[Certificate]
    policies: Sequence[PolicyAcknowledgement]


def of(person: User) -> Transcript:
    """All turns, the newest first. Five queries."""
    titles = dict(ModuleVersion.objects.order_by("loaded_at").values_list("slug", "title"))
    tried: dict[object, list[Attempt]] = {}
    rows = Attempt.objects.filter(enrolment__person=person).select_related("version", "unlocked_by")
    for attempt in rows.defer("version__content"):
        tried.setdefault(attempt.enrolment_id, []).append(attempt)
    turns = [
        _turn(enrolment, titles, tried.get(enrolment.pk, []))
        for enrolment in person.enrolments.annotate(lessons_read=Count("reads__lesson", distinct=True))
    ]
    acknowledged = person.policy_acknowledgements.select_related("policy").defer("policy__text")
    return Transcript(turns, list(person.certificates.select_related("revoked_by")), list(acknowledged))


def _turn(enrolment: Enrolment, titles: dict[str, str], rows: Sequence[Attempt]) -> Turn:
    begun = [one for one in rows if one.started_at]
    graded = Attempt.State.GRADED
    return Turn(
        enrolment=enrolment,
        title=titles.get(enrolment.slug, enrolment.slug),
        lessons_read=enrolment.lessons_read,  # type: ignore[attr-defined]  # counted by the query
        tried=[Tried(one, attempts.percent_of(one) if one.state == graded else None) for one in begun],
        left=len(rows) - len(begun),
    )
