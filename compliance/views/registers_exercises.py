"""Plans that were tried."""

from __future__ import annotations

from functools import partial
from typing import Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_safe

from clinchat.lib.http import AuthedRequest
from compliance.access import Action, door
from compliance.models import Exercise
from compliance.register_forms import ExerciseForm, FollowUpForm
from compliance.registers import exercises
from compliance.views.registers import Refusals, ask, done, show
from compliance.views.signin import PAGE

REFUSED: Final[Refusals] = {
    exercises.NotHeldYet: ("held_on", "Record it after it was held."),
    exercises.NothingClosed: ("open_actions", "Enter fewer than were open before."),
    exercises.Followed: (None, "Somebody has recorded it again since. Look at the newest record."),
}


@require_safe
@door(Action.READ_CONTROLS)
def page(request: AuthedRequest) -> HttpResponse:
    rows = [
        {"one": one, "losses": [exercises.LOSSES.get(loss, loss) for loss in one.losses], "whole": exercises.whole(one)}
        for one in exercises.current()
    ]
    return show(request, "exercises", {"rows": rows})


@PAGE
@door(Action.KEEP_REGISTERS)
@sensitive_post_parameters("scenario", "lessons")
def new(request: AuthedRequest) -> HttpResponse:
    form = ExerciseForm(request.POST or None)
    if done(form, partial(exercises.record, by=request.user), REFUSED):
        messages.success(request, "Recorded.")
        return redirect("exercises")
    lead = "What was played, what was lost in it, what was learned. A record stays as it is."
    return ask(request, form, title="Record an exercise", lead=lead, button="Record it", back=reverse("exercises"))


@PAGE
@door(Action.KEEP_REGISTERS)
@sensitive_post_parameters("lessons")
def follow_up(request: AuthedRequest, exercise_id: UUID) -> HttpResponse:
    before = get_object_or_404(Exercise, pk=exercise_id)
    form = FollowUpForm(request.POST or None)
    if done(form, partial(exercises.follow_up, exercise_id=before.pk, by=request.user), REFUSED):
        messages.success(request, "Recorded. The earlier record stays.")
        return redirect("exercises")
    lead = f"{before.open_actions} were open when it was recorded last. What was recorded then stays."
    return ask(request, form, title="Actions closed since", lead=lead, button="Record it", back=reverse("exercises"))
