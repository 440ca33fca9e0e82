"""The pages of restores: requested by one person, approved by another, then accepted or undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from clinchat.lib.http import AuthedRequest
from compliance.access import Action, door, works_read_only
from compliance.access.sessions import fresh
from compliance.continuity import overview
from compliance.continuity.restore import display, recovery
from compliance.continuity.write_guard import RECOVERY
from compliance.continuity_forms import RestoreForm, UndoForm
from compliance.models import Backup, Restore
from compliance.views.continuity import refreshed, shown

ON_A_PAGE: Final = 50
FIELDS: Final[Mapping[type[Exception], str]] = {
    recovery.NameMismatch: "typed_name",
    recovery.TargetTimeOutOfRange: "to_time",
}
"""The form field that shows a refusal; all others are shown for the whole form."""


@require_safe
@door(Action.READ_CONTINUITY)
def restores(request: AuthedRequest) -> HttpResponse:
    found = Restore.objects.select_related("backup", "requested_by", "decided_by")
    page = Paginator(found, ON_A_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "rows": [(one, display.tag(one)) for one in page]}
    return render(request, "continuity/restores.html", context)


@works_read_only(RECOVERY)
@require_POST
@door(Action.ASK_RESTORE)
@fresh
def ask(request: AuthedRequest, backup_id: UUID) -> HttpResponse:
    one = get_object_or_404(Backup, pk=backup_id)
    form = RestoreForm(request.POST, reach=recovery.recoverable_range(one))
    if form.is_valid():
        try:
            made = recovery.request(backup_id=one.pk, actor=request.user, **form.cleaned_data)
        except recovery.Refused as refused:
            form.add_error(FIELDS.get(type(refused)), refused.words)
        else:
            messages.success(request, "The restore waits for a second person. Nothing changes before they approve it.")
            return redirect("restore", made.pk)
    return shown(request, backup_id, form)


@works_read_only(RECOVERY)
@require_http_methods(["GET", "HEAD", "POST"])
@door(Action.ASK_RESTORE)
@fresh
def rollback(request: AuthedRequest) -> HttpResponse:
    form = RestoreForm(request.POST if request.method == "POST" else None, reach=None)
    if form.is_valid():
        try:
            made = recovery.request_rollback(actor=request.user, **form.cleaned_data)
        except recovery.Refused as refused:
            form.add_error(FIELDS.get(type(refused)), refused.words)
        else:
            messages.success(request, "The rollback waits for a second person. Nothing changes before they approve it.")
            return redirect("restore", made.pk)
    target = recovery.rollback_target()
    verified = overview.verified_tag(target) if target else None
    context = {"form": form, "one": target, "verified": verified, "open": display.open_restore()}
    return render(request, "continuity/rollback.html", context)


@require_safe
@door(Action.READ_CONTINUITY)
def one(request: AuthedRequest, restore_id: UUID) -> HttpResponse:
    return _one(request, restore_id, UndoForm())


def _one(request: AuthedRequest, restore_id: UUID, form: UndoForm) -> HttpResponse:
    people = ("requested_by", "decided_by", "backup", "before")
    found = get_object_or_404(Restore.objects.select_related(*people), pk=restore_id)
    context = {
        "one": found,
        "tag": display.tag(found),
        "broken_off": display.broken_off(found),
        "steps": display.steps(found),
        "form": form,
        "may": display.allowed_actions(found, request.user),
        **refreshed(under_way=found.state in display.IN_PROGRESS),
    }
    return render(request, "continuity/restore.html", context)


@works_read_only(RECOVERY)
@require_POST
@door(Action.APPROVE_RESTORE)
@fresh
def approve(request: AuthedRequest, restore_id: UUID) -> HttpResponse:
    return _decide(request, restore_id, recovery.approve, "Approved. The restore begins now; this page follows it.")


@works_read_only(RECOVERY)
@require_POST
@door(Action.ASK_RESTORE)
def cancel(request: AuthedRequest, restore_id: UUID) -> HttpResponse:
    return _decide(request, restore_id, recovery.cancel, "The restore is canceled. Nothing was changed.")


@works_read_only(RECOVERY)
@require_POST
@door(Action.APPROVE_RESTORE)
@fresh
def accept(request: AuthedRequest, restore_id: UUID) -> HttpResponse:
    return _decide(request, restore_id, recovery.accept, "Accepted. ClinChat can be written to again.")


@works_read_only(RECOVERY)
@require_POST
@door(Action.ASK_RESTORE)
@fresh
def undo(request: AuthedRequest, restore_id: UUID) -> HttpResponse:
    form = UndoForm(request.POST)
    if not form.is_valid():
        return _one(request, restore_id, form)
    words = "It is being undone; this page follows it."
    return _decide(request, restore_id, recovery.undo, words, **form.cleaned_data)


def _decide(
    request: AuthedRequest, restore_id: UUID, step: Callable[..., Restore], done: str, **given: Any
) -> HttpResponse:
    """Apply `step` of recovery, and redirect to that restore, or to the new one that undoes it."""
    one = get_object_or_404(Restore, pk=restore_id)
    try:
        one = step(restore_id=one.pk, actor=request.user, **given)
    except recovery.Refused as refused:
        messages.error(request, refused.words)
    else:
        messages.success(request, done)
    return redirect("restore", one.pk)
