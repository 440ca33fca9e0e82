"""The hospital's own changes of the interaction table: proposed, decided on by a second person, ended, taken along."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from chat import days
from chat.interaction_forms import NO_TABLE, ChangeForm, DecisionForm, ImportForm
from chat.interactions import change_file, changes, current, differences
from chat.models import LocalInteraction
from clinchat.lib.files import takes_files
from clinchat.lib.http import AuthedRequest
from compliance import audit
from compliance.access import Action, allows, door, refusals
from compliance.access.sessions import fresh

PAGE = require_http_methods(["GET", "HEAD", "POST"])
ON_A_PAGE = 50
ONE_DAY = timedelta(days=1)
PROBLEMS_SHOWN = 20
Status = LocalInteraction.Status
OVER = (Status.REFUSED, Status.WITHDRAWN, Status.ENDED)
REFUSALS: dict[type[Exception], str] = {
    changes.SecondPersonNeeded: "You proposed it, so somebody else has to decide.",
    changes.AlreadyDecided: "Somebody else was faster. Nothing was changed.",
    changes.NotYours: "Only who proposed a change can withdraw it.",
    changes.NotRead: "Nothing was changed: confirm that you have read the warning first.",
    changes.StillInForce: "Another change of this pair is in force. End that one first.",
    current.Unavailable: NO_TABLE,
}


@require_safe
@door(Action.READ_INTERACTIONS)
def index(request: AuthedRequest) -> HttpResponse:
    audit.record(code=audit.Code.SENSITIVE_READ, action=audit.Crude.READ, object_type="chat.LocalInteraction")
    rows = LocalInteraction.objects.select_related("proposed_by", "decided_by", "ended_by")
    over = Paginator(rows.filter(status__in=OVER), ON_A_PAGE).get_page(request.GET.get("page"))
    approved = differences.of(rows.filter(status=Status.APPROVED).order_by("a", "b"))
    context = {
        "waiting": differences.of(rows.open().order_by("proposed_at")),
        "in_force": [one for one in approved if not one.expired],
        "expired": [one for one in approved if one.expired],
        "over": over,
        "earlier": differences.of(over.object_list),
        "table": changes.table_in_use(),
        "edits": allows(request.user, Action.EDIT_INTERACTIONS),
    }
    return render(request, "library/interactions/changes.html", context)


@require_safe
@door(Action.READ_INTERACTIONS)
def change(request: AuthedRequest, change_id: UUID) -> HttpResponse:
    return _change(request, _get(change_id))


def _get(change_id: UUID) -> LocalInteraction:
    found = LocalInteraction.objects.select_related("proposed_by", "decided_by", "ended_by")
    return get_object_or_404(found, pk=change_id)


def _change(request: AuthedRequest, found: LocalInteraction) -> HttpResponse:
    audit.record(
        code=audit.Code.SENSITIVE_READ,
        action=audit.Crude.READ,
        object_type="chat.LocalInteraction",
        object_id=str(found.pk),
    )
    [one] = differences.of([found])
    own = found.proposed_by_id == request.user.pk
    context = {
        "one": one,
        "own": own,
        "decides": allows(request.user, Action.APPROVE_INTERACTIONS),
        "others": found.status != Status.PROPOSED or changes.deciders(found),
        "warns_more": one.in_force and changes.warns_more(found, changes.table_in_use()),
    }
    return render(request, "library/interactions/change.html", context)


# ── Proposing ────────────────────────────────────────────────────────────────────────────────────────────────────


@PAGE
@door(Action.EDIT_INTERACTIONS)
@sensitive_post_parameters("reason", "mechanism", "effect", "management")
def propose(request: AuthedRequest) -> HttpResponse:
    form = ChangeForm(request.POST or None)
    if form.is_valid() and (made := _proposed(request, form)):
        messages.success(request, "The change waits for a second person. The table stays as it is until then.")
        return redirect(made)
    context = {
        "form": form,
        "first_day": days.today() + ONE_DAY,
        "last_day": days.today() + changes.LONGEST,
        "shipped": _shipped(form),
    }
    return render(request, "library/interactions/propose.html", context)


def _proposed(request: AuthedRequest, form: ChangeForm) -> LocalInteraction | None:
    try:
        return changes.propose(**form.cleaned_data, by=request.user)
    except changes.Refused as refused:
        form.add_error(refused.field, refused.words)
    except changes.AlreadyThere:
        form.add_error(None, "A change of this pair waits for a second person already.")
    except current.Unavailable:
        form.add_error(None, NO_TABLE)
    return None


def _shipped(form: ChangeForm) -> Any:
    """What the table says of the pair that a refused form names, for its author to see."""
    if not form.is_bound or not {"a", "b"} <= form.cleaned_data.keys():
        return None
    table = changes.table_in_use()
    return table.interaction(form.cleaned_data["a"], form.cleaned_data["b"]) if table else None


# ── Deciding ─────────────────────────────────────────────────────────────────────────────────────────────────────


@require_POST
@door(Action.APPROVE_INTERACTIONS)
@fresh
def decide(request: AuthedRequest, change_id: UUID) -> HttpResponse:
    form = DecisionForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose whether to approve or to refuse it. Nothing was changed.")
        return redirect(_get(change_id))
    if form.cleaned_data["decision"] == "refuse":
        return _do(request, change_id, changes.refuse, "The change is refused. The table stays as it is.")
    read = form.cleaned_data["read"]
    return _do(request, change_id, changes.approve, "The change is in force, within a second.", read=read)


@require_POST
@door(Action.EDIT_INTERACTIONS)
def withdraw(request: AuthedRequest, change_id: UUID) -> HttpResponse:
    return _do(request, change_id, changes.withdraw, "The change is withdrawn.")


@require_POST
@door(Action.APPROVE_INTERACTIONS)
@fresh
def end(request: AuthedRequest, change_id: UUID) -> HttpResponse:
    return _do(request, change_id, changes.end, "The change is ended. The table alone holds again, within a second.")


def _do(
    request: AuthedRequest, change_id: UUID, act: Callable[..., LocalInteraction], done: str, **options: bool
) -> HttpResponse:
    found = _get(change_id)
    try:
        act(change_id=found.pk, by=request.user, **options)
    except changes.Refused as refused:
        messages.error(request, f"Nothing was changed. {refused.words}")
    except tuple(REFUSALS) as refused:
        if isinstance(refused, changes.NotYours):
            refusals.against_a_rule(request.user, refused, found)
        messages.error(request, REFUSALS[type(refused)])
    else:
        messages.success(request, done)
    return redirect(found)


# ── Taking changes along ─────────────────────────────────────────────────────────────────────────────────────────


@require_safe
@door(Action.READ_INTERACTIONS)
def file(request: AuthedRequest) -> HttpResponse:
    """The changes in force and those that wait, as they can be sent to another installation."""
    answer = HttpResponse(change_file.text(change_file.export()), content_type="application/json; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="interaction-changes-{days.today().isoformat()}.json"'
    return answer


@PAGE
@door(Action.EDIT_INTERACTIONS)
@takes_files(ImportForm.MOST_BYTES)
def take_in(request: AuthedRequest) -> HttpResponse:
    form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
    problems: list[str] = []
    if form.is_bound and form.is_valid():
        try:
            done = change_file.take_in(
                text=form.cleaned_data["file"], by=request.user, url=reverse("interaction-changes")
            )
        except change_file.Malformed as malformed:
            problems = malformed.problems
        except current.Unavailable:
            form.add_error("file", NO_TABLE)
        else:
            messages.success(request, _said(done))
            return redirect("interaction-changes")
    context = {"form": form, "most": change_file.MOST, "problems": problems[:PROBLEMS_SHOWN]}
    context["more_problems"] = max(len(problems) - PROBLEMS_SHOWN, 0)
    return render(request, "library/interactions/import.html", context)


def _said(done: change_file.Imported) -> str:
    waits = f"{done.proposed:,} proposed, each waits for a second person."
    return f"{waits} {done.skipped:,} skipped: they wait already, or are in force." if done.skipped else waits
