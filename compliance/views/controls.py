"""The compliance overview and its controls: what was found, what is signed, and what is accepted for a while."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe
from kombu.exceptions import OperationalError

from clinchat.lib.files import takes_files
from clinchat.lib.http import AuthedRequest
from clinchat.lib.keys import KeysUnavailable, Unsealable
from compliance import audit, audit_lines, tasks
from compliance.access import Action, allows, door, works_read_only
from compliance.access.sessions import fresh
from compliance.control_forms import AttestForm, ExceptionForm
from compliance.controls import attestations, catalogue, exceptions, overview
from compliance.controls.catalogue import Mode
from compliance.models import Attestation, ControlException

logger = logging.getLogger("clinchat.controls")

OBJECT = "compliance.ControlResult"
Kind = ControlException.Kind


@require_safe
@door(Action.READ_CONTROLS)
def dashboard(request: AuthedRequest) -> HttpResponse:
    context = {
        "found": overview.dashboard(request.user, request.GET.get("show", "")),
        "chain": audit_lines.chain() if allows(request.user, Action.READ_AUDIT) else None,
        "may_run": allows(request.user, Action.RUN_CHECKS),
    }
    return render(request, "controls/dashboard.html", context)


@works_read_only("Checks go on")
@require_POST
@door(Action.RUN_CHECKS)
def run_all(request: AuthedRequest) -> HttpResponse:
    _queue(request, "", tasks.run_all_checks.delay)
    return redirect("compliance")


@works_read_only("Checks go on")
@require_POST
@door(Action.RUN_CHECKS)
def run_one(request: AuthedRequest, control_id: str) -> HttpResponse:
    _known(control_id)
    _queue(request, control_id, lambda: tasks.run_control.delay(control_id))
    return redirect("control", control_id)


def _queue(request: AuthedRequest, control_id: str, send: Callable[[], object]) -> None:
    audit.record(code=audit.Code.SENSITIVE_READ, action=audit.Crude.EXECUTE, object_type=OBJECT, object_id=control_id)
    try:
        send()
    except OperationalError as error:
        logger.warning("checks not queued: %s", type(error).__name__)
        messages.error(request, "The checks could not be started: the task queue does not answer. Try later.")
    else:
        messages.success(request, "The checks are being made. What they find is shown here within two minutes.")


@require_safe
@door(Action.READ_CONTROLS)
def control(request: AuthedRequest, control_id: str) -> HttpResponse:
    return _page(request, control_id)


@require_safe
@door(Action.READ_CONTROLS)
def history(request: AuthedRequest, control_id: str, check_key: str) -> HttpResponse:
    found = _known(control_id)
    check = next((one for one in found.checks if one.key == check_key), None)
    if check is None:
        raise Http404
    page = overview.history(check.key, request.GET.get("page", ""))
    context = {"control": found, "check": check, "page": page, "rows": [(one, overview.tag(one.state)) for one in page]}
    return render(request, "controls/history.html", context)


@require_POST
@door(Action.ATTEST)
@fresh
@takes_files(attestations.LARGEST)
def sign(request: AuthedRequest, control_id: str) -> HttpResponse:
    _known(control_id)
    form = AttestForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, control_id, sign_form=form)
    sent = form.cleaned_data
    try:
        attestations.attest(
            control_id=control_id,
            owner=request.user,
            statement=sent["statement"],
            document=sent["document"].read(),
            document_name=sent["name"],
        )
    except (attestations.NotTheirs, attestations.NothingToSign):
        messages.error(request, "Nothing was signed: somebody else answers for this control.")
    except attestations.NoDocument:
        messages.error(request, "Nothing was signed: the document is empty or too large.")
    else:
        messages.success(request, "Signed. The document is kept with it.")
    return redirect("control", control_id)


@require_POST
@door(Action.ATTEST)
def withdraw(request: AuthedRequest, attestation_id: UUID) -> HttpResponse:
    one = get_object_or_404(Attestation.objects.defer("artifact"), pk=attestation_id)
    try:
        attestations.withdraw(attestation=one, by=request.user)
    except attestations.NotTheirs:
        messages.error(request, "Only who signed it withdraws it.")
    except attestations.NotOpen:
        messages.error(request, "It had ended already. Nothing was changed.")
    else:
        messages.success(request, "The signature is withdrawn.")
    return redirect("control", one.control)


@require_safe
@door(Action.EXPORT_CONTROLS)
def document(request: AuthedRequest, attestation_id: UUID) -> HttpResponse:
    """As it was sent, and never shown by the browser as a page of ours."""
    one = get_object_or_404(Attestation, pk=attestation_id)
    audit.record_read(object_type="compliance.Attestation", object_id=one.pk, part="document")
    try:
        content = attestations.document(one)
    except (Unsealable, KeysUnavailable):
        messages.error(request, "The document cannot be opened: its key is missing, or it was altered.")
        return redirect("control", one.control)
    response = HttpResponse(content, content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="{one.control}-{one.artifact_sha256[:12]}"'
    return response


@require_POST
@door(Action.ASK_EXCEPTIONS)
def ask_exception(request: AuthedRequest, control_id: str) -> HttpResponse:
    kind = _kind(_known(control_id).mode)
    form = _exception_form(kind, request.POST)
    if not form.is_valid():
        return _page(request, control_id, except_form=form)
    try:
        exceptions.ask(control_id=control_id, by=request.user, kind=kind, **form.cleaned_data)
    except exceptions.Gate:
        messages.error(request, "Nothing was asked for: this control is a gate, and no exception is made for one.")
    except exceptions.AlreadyOpen:
        messages.error(request, "Nothing was asked for: there is one for this control already.")
    except (exceptions.NoSuchChoice, exceptions.TooLong, exceptions.UnknownControl):
        messages.error(request, "Nothing was asked for: that cannot be had for this control.")
    else:
        messages.success(request, "It waits for a second person. Nothing changes before they approve it.")
    return redirect("control", control_id)


@require_POST
@door(Action.DECIDE_EXCEPTIONS)
@fresh
def approve(request: AuthedRequest, exception_id: UUID) -> HttpResponse:
    return _decide(request, exception_id, exceptions.approve, "The exception is in force.")


@require_POST
@door(Action.DECIDE_EXCEPTIONS)
def refuse(request: AuthedRequest, exception_id: UUID) -> HttpResponse:
    return _decide(request, exception_id, exceptions.refuse, "The exception is refused.")


@require_POST
@door(Action.ASK_EXCEPTIONS)
def end(request: AuthedRequest, exception_id: UUID) -> HttpResponse:
    return _decide(request, exception_id, exceptions.end, "It has ended.")


def _decide(request: AuthedRequest, exception_id: UUID, step: Callable[..., None], done: str) -> HttpResponse:
    one = get_object_or_404(ControlException, pk=exception_id)
    try:
        step(exception=one, by=request.user)
    except exceptions.SecondPersonNeeded:
        messages.error(request, "Who asked for it, and who answers for the control, do not decide. Nothing changed.")
    except exceptions.AlreadyDecided:
        messages.error(request, "It was decided already, or is over. Nothing was changed.")
    else:
        messages.success(request, done)
    return redirect("control", one.control)


def _known(control_id: str) -> catalogue.Control:
    found = catalogue.current().by_id.get(control_id)
    if found is None:
        raise Http404
    return found


def _kind(mode: Mode) -> ControlException.Kind:
    return Kind.NOT_APPLICABLE if mode is Mode.NOT_APPLICABLE else Kind.EXCEPTION


def _exception_form(kind: ControlException.Kind, data: Any = None) -> ExceptionForm:
    return ExceptionForm(data, most=exceptions.LONGEST[kind].days, gap=kind == Kind.EXCEPTION)


def _page(request: AuthedRequest, control_id: str, **forms: Any) -> HttpResponse:
    known = _known(control_id)
    user, by_hand = request.user, known.mode in {Mode.HYBRID, Mode.ATTESTATION}
    may_except = allows(user, Action.ASK_EXCEPTIONS) and not known.gate
    context = {
        "found": overview.control(control_id),
        "by_hand": by_hand,
        "may_export": allows(user, Action.EXPORT_CONTROLS),
        "may_run": bool(known.checks) and allows(user, Action.RUN_CHECKS),
        "may_sign": by_hand and allows(user, Action.ATTEST) and attestations.may_sign(user, known),
        "may_except": may_except,
        "may_decide": allows(user, Action.DECIDE_EXCEPTIONS),
        "sign_form": AttestForm(),
        "except_form": _exception_form(_kind(known.mode)),
        "megabytes": attestations.LARGEST // (1024 * 1024),
    }
    return render(request, "controls/control.html", context | forms)
