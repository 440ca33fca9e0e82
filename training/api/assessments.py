"""/api/training/attempts: assessments, one question after the other.

Nothing tells what is right before the attempt is graded, nor after while another attempt is left.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from compliance.access import Action, door
from compliance.api.bodies import Body, Flag, Nothing, Text
from compliance.api.fields import LARGEST, Number, checked, me
from compliance.api.problems import Refused
from training import access, attempts, outcomes
from training.api import shown
from training.api.problems import UNPROCESSABLE, conflict, refusing, unprocessable
from training.attempts import Question
from training.bank import answers
from training.explained import Explained
from training.models import Attempt
from training.outcomes import Again, Outcome

NO_FIELD = "The question has no such field. Nothing was saved."


class Chosen(serializers.DictField):
    """The values chosen in each field."""

    child = serializers.ListField(child=Text(max_length=40), max_length=20)


class AnswerSent(Body):
    revision = Number(min_value=0, max_value=LARGEST, help_text="Of the answer, as you got it.")
    answer = Chosen(help_text="By the name of the field, the `value` of what is chosen in it; a number as text.")


class Submitting(Body):
    attested = Flag(help_text="These answers are your own.")


class FieldTold(serializers.Serializer[Any]):
    """One field of a question. A number is entered where the only choice is what was entered before."""

    name = serializers.CharField()
    words = serializers.CharField(help_text="What is asked in it, or the unit of a number.")
    choices = shown.OptionTold(many=True)


class QuestionTold(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=shown.KINDS)
    case = serializers.CharField()
    question = serializers.CharField()
    fields = FieldTold(many=True)  # type: ignore[assignment]  # DRF takes the fields out of the class
    revision = serializers.IntegerField(help_text="Send it back with the answer.")
    answered = serializers.BooleanField()
    whole = serializers.BooleanField(help_text="Nothing of it was left open.")


class LineTold(serializers.Serializer[Any]):
    text = serializers.CharField()
    why = serializers.CharField()
    right = serializers.BooleanField()
    chosen = serializers.BooleanField()
    given = serializers.CharField(help_text="What you chose, where that is something else.")


class ExplainedPart(serializers.Serializer[Any]):
    words = serializers.CharField()
    options = LineTold(many=True)


class ExplainedTold(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    case = serializers.CharField()
    question = serializers.CharField()
    result = serializers.ChoiceField(choices=["right", "partly", "wrong"])
    parts = ExplainedPart(many=True)


class LessonNamed(serializers.Serializer[Any]):
    key = serializers.CharField()
    title = serializers.CharField()


class AgainTold(serializers.Serializer[Any]):
    objective = serializers.CharField()
    lessons = LessonNamed(many=True)


class AttemptTold(shown.AttemptBrief):
    module = serializers.CharField()
    title = serializers.CharField()
    version = serializers.CharField()
    pass_percent = serializers.IntegerField()
    questions = QuestionTold(many=True, help_text="Empty once it is graded.")
    again = AgainTold(many=True, help_text="What to read again before the next attempt.")
    opens_at = serializers.DateTimeField(allow_null=True, help_text="When the next attempt opens, if one is left.")
    explained = ExplainedTold(many=True, help_text="Empty while an attempt is left: it would tell what is right.")
    certificate = serializers.UUIDField(allow_null=True)


class AnswerTold(serializers.Serializer[Any]):
    revision = serializers.IntegerField()
    saved_at = serializers.DateTimeField(allow_null=True)
    answered = serializers.BooleanField()
    whole = serializers.BooleanField()


@door(Action.TRAIN)
@extend_schema(
    operation_id="begin_training_attempt",
    request=Nothing,
    responses={
        200: AttemptTold,
        **conflict("Lessons come first, the next attempt has not opened, none is left, or the module is passed."),
    },
)
@api_view(["POST"])
def begin(request: Request, slug: str) -> Response:
    """Begin the assessment of a module; an attempt that is open is gone on with."""
    checked(Nothing, request)
    with refusing():
        begun = attempts.start(person=me(request), slug=slug)
    return Response(_told(access.get_attempt(me(request), begun.pk)))


@door(Action.TRAIN)
@extend_schema(operation_id="get_training_attempt", responses={200: AttemptTold})
@api_view(["GET"])
def attempt(request: Request, attempt_id: UUID) -> Response:
    """An attempt of your own: its questions while it is open, what came of it afterwards."""
    return Response(_told(access.get_attempt(me(request), attempt_id)))


@door(Action.TRAIN)
@extend_schema(
    operation_id="save_training_answer",
    request=AnswerSent,
    responses={
        200: AnswerTold,
        **conflict("The attempt is over, or another window has saved another answer."),
        **unprocessable("Something else was sent than the question offers."),
    },
)
@api_view(["PUT"])
def answer(request: Request, attempt_id: UUID, number: str) -> Response:
    """Keep the answer to one question. The same answer again changes nothing."""
    given = checked(AnswerSent, request)
    found = access.get_attempt(me(request), attempt_id)
    question = next((one for one in attempts.form_of(found) if str(one.answer.number) == number), None)
    if question is None:
        raise Http404
    with refusing():
        _check_fields(question, given["answer"])
        saved = attempts.save(
            attempt=found, number=question.answer.number, sent=given["answer"], revision=given["revision"]
        )
    told = {"revision": saved.revision, "saved_at": saved.saved_at, "answered": saved.given is not None}
    return Response(told | {"whole": answers.is_whole(saved.given)})


@door(Action.TRAIN)
@extend_schema(
    operation_id="submit_training_attempt",
    request=Submitting,
    responses={200: AttemptTold, **unprocessable("You did not say that the answers are your own.")},
)
@api_view(["POST"])
def submit(request: Request, attempt_id: UUID) -> Response:
    """Have the attempt graded. Submitting twice is submitting once."""
    given = checked(Submitting, request)
    found = access.get_attempt(me(request), attempt_id)
    with refusing():
        attempts.submit(attempt=found, attested=given["attested"])
    return Response(_told(access.get_attempt(me(request), attempt_id)))


def _check_fields(question: Question, sent: dict[str, Any]) -> None:
    """A page sends other things beside the fields of its question; a program has none."""
    names = {one.name for one in answers.shown(question.item, question.drawn, None)}
    if not set(sent) <= names:
        raise Refused(UNPROCESSABLE, NO_FIELD)


def _told(found: Attempt) -> dict[str, Any]:
    assert found.version is not None  # noqa: S101  # a constraint of the table
    questions = attempts.form_of(found)
    graded = found.state == Attempt.State.GRADED
    pass_percent = found.pass_percent if graded else found.version.module.rules.pass_percent
    told = shown.attempt(found) | {
        "module": found.enrolment.slug,
        "title": found.version.title,
        "version": found.version.version,
        "pass_percent": pass_percent,
        "questions": [] if graded else [_question(one) for one in questions],
    }
    return told | (_outcome(outcomes.of(found, questions)) if graded else UNGRADED)


UNGRADED: dict[str, Any] = {"again": [], "opens_at": None, "explained": [], "certificate": None}


def _question(found: Question) -> dict[str, Any]:
    fields = answers.shown(found.item, found.drawn, found.answer.given)
    return {
        "number": found.answer.number,
        "kind": str(found.item.kind),
        "case": found.item.case,
        "question": found.item.question,
        "fields": [{"name": one.name, "words": one.words, "choices": shown.options(one.choices)} for one in fields],
        "revision": found.answer.revision,
        "answered": found.answer.given is not None,
        "whole": found.whole,
    }


def _outcome(found: Outcome) -> dict[str, Any]:
    return {
        "again": [_again(one) for one in found.again or ()],
        "opens_at": found.until,
        "explained": [_explained(one) for one in found.explained or ()],
        "certificate": found.certificate.pk if found.certificate else None,
    }


def _again(found: Again) -> dict[str, Any]:
    lessons = [{"key": one.key, "title": one.title} for one in found.lessons]
    return {"objective": found.objective.text, "lessons": lessons}


def _explained(found: Explained) -> dict[str, Any]:
    return {
        "number": found.number,
        "case": found.item.case,
        "question": found.item.question,
        "result": found.points,
        "parts": [
            {
                "words": part.words,
                "options": [
                    {"text": x.text, "why": x.why, "right": x.right, "chosen": x.chosen, "given": x.given}
                    for x in part.lines
                ],
            }
            for part in found.parts
        ],
    }
