"""/api/training/modules and …/transcript: what a learner reads, and how far they are."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from compliance.access import Action, door
from compliance.api.bodies import Body, Id, Text
from compliance.api.fields import checked, me
from compliance.api.problems import Refused
from compliance.models import User
from training import attempts, learning, lesson_checks, transcripts
from training.api import shown
from training.api.problems import UNPROCESSABLE, conflict, refusing, unprocessable
from training.learning import Place, Progress

NO_OPTION = "This option does not exist. Choose one of those offered."


class ReadMark(Body):
    version = Id(help_text="Of the module, as it came with the lesson.")


class CheckAnswer(Body):
    answer = Text(max_length=1, help_text="The `value` of an option.")


class Modules(serializers.Serializer[Any]):
    modules = shown.ModuleBrief(many=True)
    passed = serializers.IntegerField()
    minutes_left = serializers.IntegerField()
    next = serializers.CharField(allow_null=True, help_text="The module to go on with. Null: all are passed.")


class ObjectiveTold(serializers.Serializer[Any]):
    key = serializers.CharField()
    text = serializers.CharField()


class ReferenceTold(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    says = serializers.CharField()


class CardTold(serializers.Serializer[Any]):
    heading = serializers.CharField()
    lines = serializers.ListField(child=serializers.CharField())


class AssessmentRules(serializers.Serializer[Any]):
    pass_percent = serializers.IntegerField()
    minutes = serializers.IntegerField(allow_null=True, help_text="Without an accommodation. Null: no limit.")
    attempts_left = serializers.IntegerField(allow_null=True, help_text="Null: no turn through the module is open.")
    opens_at = serializers.DateTimeField(allow_null=True, help_text="When the next attempt opens. Null: it is open.")


class ModuleTold(shown.ModuleBrief):
    purpose = serializers.CharField()
    objectives = ObjectiveTold(many=True)
    lessons = shown.LessonBrief(many=True)
    references = ReferenceTold(many=True)
    card = CardTold(many=True, help_text="The summary to print.")
    assessment = AssessmentRules()
    attempts = shown.AttemptBrief(many=True, help_text="Those begun in the present turn.")


class LessonCheck(serializers.Serializer[Any]):
    question = serializers.CharField()
    options = shown.OptionTold(many=True)


class LessonTold(shown.LessonBrief):
    module = serializers.CharField()
    version = serializers.UUIDField(help_text="Of the module. Send it when you mark the lesson as read.")
    text = serializers.CharField(help_text="Markdown; pictures are at /training/{module}/pictures/.")
    check = LessonCheck(help_text="Nobody is graded on it.")
    references = ReferenceTold(many=True)


class CheckTold(serializers.Serializer[Any]):
    right = serializers.BooleanField()
    why = serializers.CharField()


class ReadTold(serializers.Serializer[Any]):
    lesson = shown.LessonBrief()
    module = shown.ModuleBrief()


@door(Action.TRAIN)
@extend_schema(operation_id="list_training_modules", responses={200: Modules})
@api_view(["GET"])
def modules(request: Request) -> Response:
    """The modules in force, in their order, and how far you are in each."""
    attempts.finish_overdue(person=me(request))
    found = learning.overview(me(request))
    told = {"passed": found.passed, "minutes_left": found.minutes_left}
    following = found.next.version.slug if found.next else None
    return Response(told | {"modules": [shown.module(one) for one in found.modules], "next": following})


@door(Action.TRAIN)
@extend_schema(operation_id="get_training_module", responses={200: ModuleTold})
@api_view(["GET"])
def module(request: Request, slug: str) -> Response:
    """One module: its lessons, what you read of them, and your attempts."""
    attempts.finish_overdue(person=me(request))
    found = _progress(me(request), slug)
    content = found.module
    told = shown.module(found) | {
        "purpose": content.purpose,
        "objectives": [{"key": one.key, "text": one.text} for one in content.objectives],
        "lessons": [shown.lesson(one) for one in found.places],
        "references": _references(found),
        "card": [{"heading": one.heading, "lines": list(one.lines)} for one in content.card],
        "assessment": _rules(found),
        "attempts": [shown.attempt(one) for one in found.attempts if one.started_at],
    }
    return Response(told)


@door(Action.TRAIN)
@extend_schema(operation_id="get_training_lesson", responses={200: LessonTold})
@api_view(["GET"])
def lesson(request: Request, slug: str, key: str) -> Response:
    """The text of a lesson with its check. Reading it marks nothing."""
    found = _progress(me(request), slug)
    place = _place(found, key)
    check = lesson_checks.of(slug, place.lesson)
    told = shown.lesson(place) | {
        "module": slug,
        "version": found.version.pk,
        "text": place.lesson.text,
        "check": {"question": place.lesson.question, "options": shown.options(check.choices)},
        "references": _references(found, place),
    }
    return Response(told)


@door(Action.TRAIN)
@extend_schema(
    operation_id="mark_training_lesson_read",
    request=ReadMark,
    responses={200: ReadTold, **conflict("The lesson has changed, or the module is passed and not yet to be renewed.")},
)
@api_view(["POST"])
def read(request: Request, slug: str, key: str) -> Response:
    """Say that you have read the lesson as it came to you. Saying it again changes nothing."""
    given = checked(ReadMark, request)
    with refusing():
        learning.mark_read(person=me(request), slug=slug, lesson=key, version_id=given["version"])
    found = _progress(me(request), slug)
    return Response({"lesson": shown.lesson(_place(found, key)), "module": shown.module(found)})


@door(Action.TRAIN)
@extend_schema(
    operation_id="answer_training_check",
    request=CheckAnswer,
    responses={200: CheckTold, **unprocessable("There is no such option.")},
)
@api_view(["POST"])
def check(request: Request, slug: str, key: str) -> Response:
    """Answer the check of a lesson, and learn whether that is right and why. It is kept nowhere."""
    given = checked(CheckAnswer, request)
    place = _place(_progress(me(request), slug), key)
    chosen = lesson_checks.of(slug, place.lesson, given["answer"]).chosen
    if chosen is None:
        raise Refused(UNPROCESSABLE, NO_OPTION)
    return Response({"right": chosen.right, "why": chosen.why})


@door(Action.TRAIN)
@extend_schema(operation_id="get_training_transcript", responses={200: shown.TranscriptTold})
@api_view(["GET"])
def transcript(request: Request) -> Response:
    """Everything you did in training."""
    attempts.finish_overdue(person=me(request))
    return Response(shown.transcript(transcripts.of(me(request))))


def _progress(person: User, slug: str) -> Progress:
    with refusing():
        return learning.overview(person).of(slug)


def _place(found: Progress, key: str) -> Place:
    place = next((one for one in found.places if one.lesson.key == key), None)
    if place is None:
        raise Http404
    return place


def _references(found: Progress, place: Place | None = None) -> list[dict[str, Any]]:
    return [
        {"key": one.key, "name": one.name, "says": one.says}
        for one in found.module.references
        if place is None or one.key in place.lesson.clauses
    ]


def _rules(found: Progress) -> dict[str, Any]:
    rules = found.module.rules
    return {
        "pass_percent": rules.pass_percent,
        "minutes": rules.minutes,
        "attempts_left": found.attempts_left if found.turn else None,
        "opens_at": attempts.waits_until(found.attempts, rules),
    }
