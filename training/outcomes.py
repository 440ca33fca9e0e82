"""What somebody may learn of an attempt once it is graded: never what was right while another attempt is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from clinchat.lib import clock
from training import attempts, explained
from training.attempts import Question
from training.bank.types import Lesson, Module, Objective
from training.explained import Explained
from training.models import Attempt, Certificate


@dataclass(frozen=True)
class Again:
    """An objective in which points were missed, with its lessons. Which questions these were stays unsaid."""

    objective: Objective
    lessons: Sequence[Lesson]


@dataclass(frozen=True)
class Outcome:
    """`explained` is None while another attempt is left; until then there are `again` and `until`, when it opens."""

    percent: int
    explained: Sequence[Explained] | None
    again: Sequence[Again] | None
    until: datetime | None
    certificate: Certificate | None

    @property
    def waits(self) -> bool:
        """Whether the next attempt is still to open."""
        return self.until is not None and self.until > clock.now()


def of(attempt: Attempt, questions: Sequence[Question]) -> Outcome:
    """Of a graded attempt and its form."""
    assert attempt.version is not None  # noqa: S101  # a constraint of the table
    module, percent = attempt.version.module, attempts.percent_of(attempt)
    tried = list(attempt.enrolment.attempts.all())
    if attempt.passed or all(one.state == Attempt.State.GRADED for one in tried):
        earned = getattr(attempt.enrolment, "certificate", None) if attempt.passed else None
        return Outcome(percent, explained.explain(questions), None, None, earned)
    return Outcome(percent, None, _again(questions, module), attempts.opens_at(tried, module.rules), None)


def _again(questions: Sequence[Question], module: Module) -> list[Again]:
    missed = {one.item.objective for one in questions if one.answer.points != 1}
    return [
        Again(objective, [one for one in module.lessons if objective.key in one.objectives])
        for objective in module.objectives
        if objective.key in missed
    ]
