"""One learner, for who supervises the training: attempts to unlock, and more time."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib.http import AuthedRequest
from compliance import audit
from compliance.access import Action, door, people
from compliance.models import User
from training import attempts, refusals, transcripts
from training.forms import AccommodationForm, UnlockForm
from training.models import Accommodation, Enrolment


@require_safe
@door(Action.MANAGE_TRAINING)
def learner(request: AuthedRequest, person_id: UUID) -> HttpResponse:
    person = people.get(request.user, person_id, Action.MANAGE_TRAINING)
    return _learner(request, person, UnlockForm(), AccommodationForm())


@require_POST
@door(Action.MANAGE_TRAINING)
@sensitive_post_parameters("reason")
def unlock(request: AuthedRequest, person_id: UUID) -> HttpResponse:
    person = people.get(request.user, person_id, Action.MANAGE_TRAINING)
    form = UnlockForm(request.POST)
    if not form.is_valid():
        return _learner(request, person, form, AccommodationForm())
    turn = Enrolment.objects.filter(person=person, pk=form.cleaned_data["enrolment"]).select_related("person").first()
    try:
        if turn is None:
            raise attempts.NothingToUnlock
        attempts.unlock(enrolment=turn, by=request.user, reason=form.cleaned_data["reason"])
    except refusals.REFUSED as refused:
        messages.error(request, refusals.words(refused))
    else:
        messages.success(request, f"One more attempt is unlocked. {person.name} is told.")
    return redirect("learner", person.pk)


@require_POST
@door(Action.MANAGE_TRAINING)
def accommodation(request: AuthedRequest, person_id: UUID) -> HttpResponse:
    person = people.get(request.user, person_id, Action.MANAGE_TRAINING)
    form = AccommodationForm(request.POST)
    if not form.is_valid():
        return _learner(request, person, UnlockForm(), form)
    more = form.cleaned_data["more"]
    try:
        if more == AccommodationForm.END:
            attempts.end_accommodation(person=person, by=request.user)
        else:
            attempts.accommodate(person=person, more=Accommodation.More(more), by=request.user)
    except refusals.REFUSED as refused:
        messages.error(request, refusals.words(refused))
    else:
        messages.success(request, "This holds from the next attempt on.")
    return redirect("learner", person.pk)


def _learner(request: AuthedRequest, person: User, form: UnlockForm, time: AccommodationForm) -> HttpResponse:
    audit.record_read(object_type="compliance.User", object_id=person.pk)
    found, granted = transcripts.of(person), attempts.accommodation_of(person)
    context = {
        "person": person,
        "own": person.pk == request.user.pk,
        "transcript": found,
        "stuck": [(str(turn.enrolment.pk), turn.title) for turn in found.turns if turn.stuck],
        "form": form,
        "time": time,
        "granted": granted,
        "now": granted.more if granted else AccommodationForm.END,
    }
    return render(request, "training/learner.html", context, status=422 if form.errors or time.errors else 200)
