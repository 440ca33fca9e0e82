"""Telling the privacy team that a mask is missing or wrong."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from chat import access, remasking, services
from chat.forms import MissedMaskForm, QuestionForm, WrongMaskForm
from chat.models import Turn
from chat.views.ask import thread
from clinchat.lib.http import AuthedRequest
from compliance import phi
from compliance.access import Action, door, limits

NOT_MASKED = "The note could not be masked, so nothing was sent. Leave it out, or take names and numbers out of it."
NOT_THERE = "These words are not in your question. Copy them from it as they stand there."
ALREADY = "These words are masked already."
MISSED = "It is masked now, here and in later questions. The privacy team has your report {number}."
STOPPED = "{missed} The answer was being written from the words you reported, so it was stopped. Choose Try again."
WRONG = "The privacy team has your report {number}. It stays masked until they decide."


@door(Action.ASK)
@limits.limited(limits.Limit.MASK_REPORT)
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("words", "note")
def report(request: AuthedRequest, turn_id: UUID) -> HttpResponse:
    turn = access.get_turn(request.user, turn_id)
    if request.method == "GET":  # a page that was not accepted, loaded again
        return redirect(turn.conversation)
    missed = request.POST.get("kind") != "wrong"
    form = MissedMaskForm(request.POST) if missed else WrongMaskForm(request.POST)
    if form.is_valid() and (said := _missed(turn, form) if missed else _wrong(turn, form)):
        messages.success(request, said)
        return redirect(turn.conversation)
    reporting = {"turn": turn.pk, "missed" if missed else "wrong": form}
    response = thread(request, turn.conversation, QuestionForm(), reporting=reporting, refresh=None)
    response.status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    return response


def _missed(turn: Turn, form: MissedMaskForm | WrongMaskForm) -> str:
    """What is said of it; empty with the reason on the form."""
    try:
        report = services.report_missed(turn=turn, **form.cleaned_data)
    except remasking.NotThere:
        form.add_error("words", NOT_THERE)
    except remasking.AlreadyMasked:
        form.add_error("words", ALREADY)
    except phi.PhiUnavailable:
        form.add_error("note", NOT_MASKED)
    else:
        said = MISSED.format(number=report.number)
        return STOPPED.format(missed=said) if turn.status in Turn.UNFINISHED else said
    return ""


def _wrong(turn: Turn, form: MissedMaskForm | WrongMaskForm) -> str:
    """As `_missed`."""
    try:
        return WRONG.format(number=services.report_wrong(turn=turn, **form.cleaned_data).number)
    except services.NotMasked:
        form.add_error("token", "Choose what should not be masked.")
    except phi.PhiUnavailable:
        form.add_error("note", NOT_MASKED)
    return ""
