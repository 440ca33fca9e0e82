"""Checking a list of medicines for interactions, and what readers do with the alerts."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from chat import interaction_access
from chat.interaction_forms import (
    CHOOSE,
    NOT_MASKED,
    NOTHING_CHECKED,
    ONE,
    TOO_MANY,
    FilledForm,
    ListForm,
    RespondForm,
)
from chat.interactions import checks, lists, presentation
from chat.interactions.check import TooMany
from chat.interactions.current import Unavailable
from chat.models import InteractionAlert, InteractionCheck
from clinchat.lib.http import AuthedRequest
from compliance import phi
from compliance.access import Action, door, works_read_only
from compliance.free_text import NOT_CHECKED

ANSWERED = "You answered this alert before."
DONE = {
    InteractionAlert.Response.ACKNOWLEDGED: "ClinChat has kept that you read it.",
    InteractionAlert.Response.OVERRIDDEN: "The alert is overridden. Your reason is kept with it.",
}


@door(Action.CHECK_INTERACTIONS)
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("medicines")
def index(request: AuthedRequest) -> HttpResponse:
    """What is typed never stands in an address: the answer to the form is the page of the check."""
    if request.method != "POST":
        return _form(request, ListForm())
    form = ListForm(request.POST)
    if not form.is_valid():
        return _form(request, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        made = lists.check(form.cleaned_data["medicines"], where=InteractionCheck.Where.PAGE, by=request.user)
    except (lists.OneMedicine, TooMany) as refused:
        words = TOO_MANY.format(count=refused.count, most=refused.most) if isinstance(refused, TooMany) else ONE
        form.add_error("medicines", words)
        return _form(request, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    except (Unavailable, phi.PhiUnavailable) as refused:
        form.add_error("medicines", NOTHING_CHECKED if isinstance(refused, Unavailable) else NOT_MASKED)
        return _form(request, form, status=HTTPStatus.SERVICE_UNAVAILABLE)
    return redirect(made)


@works_read_only("It fills a form and checks nothing")
@door(Action.CHECK_INTERACTIONS)
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("medicines")
def again(request: AuthedRequest) -> HttpResponse:
    """The form with a list in it, from a conversation or from a result: nothing is checked yet."""
    if request.method == "GET":  # the page it answered with, loaded again
        return redirect("interactions")
    form = FilledForm(request.POST)
    typed = form.cleaned_data["medicines"] if form.is_valid() else ""
    return _form(request, ListForm(initial={"medicines": typed}))


def _form(request: AuthedRequest, form: ListForm, *, status: int = HTTPStatus.OK) -> HttpResponse:
    return render(request, "interactions/index.html", {"form": form, "limits": _limits()}, status=status)


def _limits() -> dict[str, Any] | None:
    try:
        return presentation.limits()
    except Unavailable:
        return None


@door(Action.CHECK_INTERACTIONS)
@require_GET
def result(request: AuthedRequest, check_id: UUID) -> HttpResponse:
    found = interaction_access.get_check(request.user, check_id)
    if "found" not in found.result:  # beside an answer, where it could not be made
        raise Http404
    context = presentation.of_check(found) | {"limits": _limits()}
    return render(request, "interactions/result.html", context)


@door(Action.CHECK_INTERACTIONS)
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("note")
def respond(request: AuthedRequest, alert_id: UUID) -> HttpResponse:
    alert = interaction_access.get_alert(request.user, alert_id)
    if request.method == "GET":  # the page of a form that was not accepted, loaded again
        return redirect(_from(alert))
    form = RespondForm(request.POST)
    if not form.is_valid():
        return _not_accepted(request, alert, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        checks.respond(alert_id=alert.pk, by=request.user, **form.cleaned_data)
    except checks.NoReason:
        form.add_error("reason", CHOOSE)
        return _not_accepted(request, alert, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    except phi.PhiUnavailable:
        form.add_error("note", NOT_CHECKED)
        return _not_accepted(request, alert, form, HTTPStatus.SERVICE_UNAVAILABLE)
    except checks.AlreadyAnswered:
        messages.info(request, ANSWERED)
    else:
        messages.success(request, DONE[form.cleaned_data["response"]])
    return redirect(_from(alert))


def _from(alert: InteractionAlert) -> str:
    """Where the alert is shown."""
    made = alert.check_made
    return f"{(made.turn.conversation if made.turn else made).get_absolute_url()}#alert-{alert.pk}"


def _not_accepted(request: AuthedRequest, alert: InteractionAlert, form: RespondForm, status: int) -> HttpResponse:
    """The alert alone, with the form as it was sent."""
    context = {
        "alert": presentation.of_alert(alert),
        "respond": form,
        "back": _from(alert),
    }
    return render(request, "interactions/respond.html", context, status=status)


@door(Action.READ_LIBRARY)
@require_GET
def pair(request: AuthedRequest, a: str, b: str) -> HttpResponse:
    """Reference data, as the library: what the table in use says of two ingredients."""
    try:
        context = presentation.of_pair(a, b) | {"limits": presentation.limits()}
    except presentation.UnknownDrug:
        raise Http404 from None
    except Unavailable:
        return render(
            request, "interactions/unavailable.html", {"text": NOTHING_CHECKED}, status=HTTPStatus.SERVICE_UNAVAILABLE
        )
    return render(request, "interactions/pair.html", context)
