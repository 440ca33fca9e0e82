"""Somebody's own way to access: how far they are, the policies, and sending the request in."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from clinchat.lib.http import AuthedRequest
from compliance import policies
from compliance.access import Action, door
from compliance.models import PolicyVersion
from training.approval_forms import AcceptForm, OwnForm
from training.approvals import accepting, deciding, overview, refusals
from training.bank import markdown
from training.models import StageDecision


@require_safe
@door(Action.TRAIN)
def page(request: AuthedRequest) -> HttpResponse:
    return render(request, "access/page.html", {"overview": overview.of(request.user)})


@require_POST
@door(Action.TRAIN)
def submit(request: AuthedRequest) -> HttpResponse:
    return _do(request, deciding.submit, "Your request is sent in. Who decides first is told.")


@require_POST
@door(Action.TRAIN)
def withdraw(request: AuthedRequest) -> HttpResponse:
    return _do(request, deciding.withdraw, "Your request is withdrawn. You can send it in again.")


@require_POST
@door(Action.TRAIN)
def reapply(request: AuthedRequest) -> HttpResponse:
    return _do(request, deciding.reapply, "You have begun anew. Send your request in when everything is complete.")


def _do(request: AuthedRequest, act: Callable[..., StageDecision], done: str) -> HttpResponse:
    form = OwnForm(request.POST)
    if not form.is_valid():
        messages.error(request, refusals.WORDS[refusals.Stale])
        return redirect("access")
    own = deciding.open_request(person=request.user)
    try:
        act(request_id=own.pk, by=request.user, revision=form.cleaned_data["revision"])
    except refusals.Incomplete as incomplete:
        messages.error(request, f"Nothing was sent in. What is missing: {'; '.join(incomplete.missing)}.")
    except refusals.Refused as refused:
        messages.error(request, refusals.words(refused))
    else:
        messages.success(request, done)
    return redirect("access")


@require_safe
@door(Action.TRAIN)
def policy_list(request: AuthedRequest) -> HttpResponse:
    return render(request, "access/policies.html", {"states": policies.states(request.user)})


@require_http_methods(["GET", "HEAD", "POST"])
@door(Action.TRAIN)
def policy(request: AuthedRequest, slug: str) -> HttpResponse:
    """The version in force, to read; and, sent from there, accepted, unless another has taken its place meanwhile."""
    state = next((one for one in policies.states(request.user) if one.policy.slug == slug), None)
    if state is None:
        raise Http404
    form = AcceptForm(request.POST or None)
    if form.is_valid():
        read = PolicyVersion.objects.filter(slug=slug, pk=form.cleaned_data["version"]).first()
        if read is not None and _accepted(request, read):
            return redirect("access")
    if request.method == "POST":
        messages.error(request, "There is a newer version. Nothing was accepted: read this one.")
    blocks = markdown.read(state.policy.text)
    return render(request, "access/policy.html", {"state": state, "policy": state.policy, "blocks": blocks})


def _accepted(request: AuthedRequest, read: PolicyVersion) -> bool:
    try:
        accepting.accept(person=request.user, policy=read)
    except policies.NotInForce:
        return False
    messages.success(request, f"You have accepted {read.title}, version {read.version}.")
    return True
