"""/api/training/people, …/cohort and …/items: training for who supervises it. Each of these reads is on record."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from clinchat.lib import clock
from compliance import audit
from compliance.access import Action, allows, door, people
from compliance.api.answers import by_a_person
from compliance.api.bodies import Body, FreeText, Id, Text
from compliance.api.fields import Digits, checked, me
from compliance.api.fields import asked as parameters
from compliance.models import User
from training import attempts, cohort, evidence, items, transcripts
from training.api import shown
from training.api import shown_oversight as told
from training.api.problems import conflict, refusing
from training.bank.types import SIX
from training.forms import AccommodationForm
from training.models import Accommodation, Enrolment, ModuleVersion
from training.models.approvals import LONGEST_REASON


class Unlocking(Body):
    turn = Id(help_text="The turn whose attempts are used up, of the person's transcript.")
    reason = FreeText(where="training-unlock", max_length=LONGEST_REASON, help_text="Identifiers are masked.")


class MoreTime(Body):
    more = serializers.ChoiceField(
        choices=[*Accommodation.More.values, AccommodationForm.END],
        help_text="How many times the usual time, `none` for no limit, `end` for the usual time again.",
    )


class CohortAsked(Body):
    """People asked for. Totals are about everybody you reach all the same."""

    q = Text(required=False, max_length=100, help_text="Words of the name.")
    department = Text(required=False, max_length=100, help_text=f"{cohort.NO_DEPARTMENT}: people without one.")
    module = serializers.ChoiceField(required=False, choices=SIX)
    status = serializers.ChoiceField(required=False, choices=cohort.Status.choices)
    page = Digits(required=False, min_value=1, max_value=10_000)


class ItemsAsked(Body):
    module = serializers.ChoiceField(required=False, choices=SIX, default=SIX[0])


# ── One person ─────────────────────────────────────────────────────────────────────────────────────────────────


@door(Action.MANAGE_TRAINING)
@extend_schema(operation_id="get_learner", responses={200: told.LearnerTold})
@api_view(["GET"])
def learner(request: Request, person_id: UUID) -> Response:
    """What somebody did in training, for who supervises it."""
    person = people.get(me(request), person_id, Action.MANAGE_TRAINING)
    audit.record_read(object_type="compliance.User", object_id=person.pk)
    return Response(_learner(person))


@door(Action.MANAGE_TRAINING)
@extend_schema(
    operation_id="unlock_training_attempt",
    request=Unlocking,
    responses={200: told.LearnerTold, **conflict("An attempt is left, or the module is passed.")},
)
@api_view(["POST"])
def unlock(request: Request, person_id: UUID) -> Response:
    """One more attempt for somebody whose last one failed. The person is told."""
    given = checked(Unlocking, request)
    by_a_person(me(request))
    person = people.get(me(request), person_id, Action.MANAGE_TRAINING)
    with refusing():
        turn = Enrolment.objects.filter(person=person, pk=given["turn"]).select_related("person").first()
        if turn is None:
            raise attempts.NothingToUnlock
        attempts.unlock(enrolment=turn, by=me(request), reason=given["reason"])
    return Response(_learner(person))


@door(Action.MANAGE_TRAINING)
@extend_schema(operation_id="set_accommodation", request=MoreTime, responses={200: told.LearnerTold})
@api_view(["POST"])
def accommodation(request: Request, person_id: UUID) -> Response:
    """More time in assessments begun from now on, or the usual time again. The person is told."""
    given = checked(MoreTime, request)
    by_a_person(me(request))
    person = people.get(me(request), person_id, Action.MANAGE_TRAINING)
    with refusing():
        if given["more"] == AccommodationForm.END:
            attempts.end_accommodation(person=person, by=me(request))
        else:
            attempts.accommodate(person=person, more=Accommodation.More(given["more"]), by=me(request))
    return Response(_learner(person))


def _learner(person: User) -> dict[str, Any]:
    granted = attempts.accommodation_of(person)
    return {
        "person": shown.person(person),
        "more_time": granted.more if granted else None,
        "transcript": shown.transcript(transcripts.of(person)),
    }


@door(Action.READ_TRAINING)
@extend_schema(operation_id="get_training_evidence", responses={200: told.EvidenceTold})
@api_view(["GET"])
def evidence_of(request: Request, person_id: UUID) -> Response:
    """Everything that shows what somebody knew and when: content, forms, answers, scores, approvals, access."""
    person = people.get(me(request), person_id, Action.READ_TRAINING)
    audit.record_read(object_type="compliance.User", object_id=person.pk, page="training")
    whole = allows(me(request), Action.EXPORT_TRAINING)
    return Response(told.evidence(evidence.of(person), whole=whole) | {"as_of": clock.now()})


# ── Everybody ──────────────────────────────────────────────────────────────────────────────────────────────────


@door(Action.READ_TRAINING)
@extend_schema(operation_id="get_training_cohort", parameters=[CohortAsked], responses={200: told.CohortTold})
@api_view(["GET"])
def everybody(request: Request) -> Response:
    """Training of everybody you reach, by department, module and status."""
    given = parameters(CohortAsked, request)
    found = cohort.dashboard(me(request), cohort.Asked(**given))
    audit.record_read(object_type="compliance.User", people=found.page.total, page="training")
    return Response(told.cohort(found))


# ── Questions ──────────────────────────────────────────────────────────────────────────────────────────────────


@door(Action.READ_ITEMS)
@extend_schema(operation_id="list_item_figures", parameters=[ItemsAsked], responses={200: told.ItemsTold})
@api_view(["GET"])
def questions(request: Request) -> Response:
    """How the questions of a module do: those with something wrong first."""
    version = _version(request)
    audit.record_read(object_type="training.ModuleVersion", page="list")
    return Response(told.report(items.report(version)) if version else told.NO_REPORT)


@door(Action.READ_ITEMS)
@extend_schema(operation_id="list_misconceptions", parameters=[ItemsAsked], responses={200: told.MisconceptionsTold})
@api_view(["GET"])
def misconceptions(request: Request) -> Response:
    """What people take for right that is not, by objective of a module."""
    version = _version(request)
    audit.record_read(object_type="training.ModuleVersion", page="misconceptions")
    found = items.misconceptions(version) if version else []
    return Response({"objectives": [told.misconception(*one) for one in found]})


@door(Action.READ_ITEMS)
@extend_schema(operation_id="get_item_figures", responses={200: told.ItemWhole})
@api_view(["GET"])
def question(request: Request, key: str) -> Response:
    """One question with what is right, how many chose what, and how it did in each version."""
    found = items.find(key)
    if found is None:
        raise Http404
    audit.record_read(object_type="training.ModuleVersion", page=key)
    return Response(told.item(found[0], *items.one(*found)))


def _version(request: Request) -> ModuleVersion | None:
    wanted = parameters(ItemsAsked, request)["module"]
    return next((one for one in items.modules() if one.slug == wanted), None)
