"""Requests for access, for those who decide on them: what waits, one request whole, and the decision."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib.http import AuthedRequest
from compliance import audit
from compliance.access import Action, allows, door
from compliance.access.sessions import fresh, proved_at
from compliance.models import User
from training import access
from training.approval_forms import BULK, OLD_PAGE, BulkForm, DecideForm, FindForm, opened
from training.approvals import deciding, details, refusals, transitions, waiting
from training.approvals.transitions import TABLE
from training.models import AccessRequest
from training.models.approvals import Stage, Step

ON_A_PAGE = 50


@require_safe
@door(Action.READ_ACCESS)
def index(request: AuthedRequest) -> HttpResponse:
    audit.record_read(object_type="training.AccessRequest")
    visible = waiting.visible_to(request.user)
    form = FindForm(request.GET)
    found = form.find(visible, request.user).select_related("person").order_by("entered_at", "pk")
    page = Paginator(found, ON_A_PAGE).get_page(request.GET.get("page"))
    decides = allows(request.user, Action.DECIDE_ACCESS)
    mine = set(waiting.for_viewer(request.user).values_list("pk", flat=True)) if decides else set()
    context = {
        "form": form,
        "page": page,
        "asked": any(request.GET.get(name) for name in ("q", "stage", "department", "mine")),
        "mine": mine,
        "bulk": {one.pk for one in page.object_list if one.pk in mine and one.stage in BULK_STAGES},
        "departments": _departments(visible),
        "decides": decides,
        "most": deciding.MOST_AT_ONCE,
        "opened": opened(),
    }
    return render(request, "approvals/index.html", context)


BULK_STAGES = tuple(TABLE[step].before[0] for step in BULK)


def _departments(visible: QuerySet[AccessRequest]) -> list[tuple[str, str]]:
    held = User.objects.filter(access_request__in=visible).exclude(department="")
    return [(name, name) for name in held.order_by("department").values_list("department", flat=True).distinct()]


@require_safe
@door(Action.READ_ACCESS)
def one(request: AuthedRequest, request_id: UUID) -> HttpResponse:
    return _page(request, access.get_request(request.user, request_id), None)


def _page(request: AuthedRequest, found: AccessRequest, form: DecideForm | None) -> HttpResponse:
    audit.record_read(object_type="training.AccessRequest", object_id=found.pk)
    context = {"details": details.of(found, request.user), "found": found, "form": form, "opened": opened(found)}
    return render(request, "approvals/request.html", context)


@require_POST
@door(Action.DECIDE_ACCESS)
@fresh
def decide(request: AuthedRequest, request_id: UUID) -> HttpResponse:
    found = access.get_request(request.user, request_id)
    form = DecideForm(request.POST)
    if form.is_valid() and (revision := revision_of(form, found)) is not None:
        try:
            deciding.decide(
                request_id=found.pk,
                step=Step(form.cleaned_data["step"]),
                by=request.user,
                revision=revision,
                proof=deciding.Proof(proved_at(request), form.cleaned_data["opened"][0]),
                reason=form.cleaned_data["reason"],
                license_found=form.license_found(),
                delegation_id=form.cleaned_data["delegation"],
            )
        except refusals.Refused as refused:
            form.add_error(None, refusals.words(refused))
        else:
            messages.success(request, DONE[Step(form.cleaned_data["step"])].format(found.person.name))
            return redirect("approvals")
    return _page(request, access.get_request(request.user, request_id), form)


DONE = {
    Step.IDENTITY: "{}: identity and license are confirmed. The department head is told.",
    Step.HEAD: "{}: approved. The privacy officer is told.",
    Step.PRIVACY: "{}: approved. The security officer is told.",
    Step.SECURITY: "{}: approved. Access is on.",
    Step.RETURN: "{}: returned, with your reason.",
    Step.RECERTIFY: "{}: access is confirmed for 90 days.",
    Step.SUSPEND: "{}: access is suspended.",
    Step.REINSTATE: "{}: access is on again.",
    Step.REVOKE: "{}: access is revoked.",
}


def revision_of(form: DecideForm, found: AccessRequest) -> int | None:
    """The revision the page was opened with; None, told in the form, when the page was of something else."""
    _, about = form.cleaned_data["opened"]
    if about is None or about[0] != str(found.pk):
        form.add_error(None, OLD_PAGE)
        return None
    return int(about[1])


@require_POST
@door(Action.DECIDE_ACCESS)
@fresh
def bulk(request: AuthedRequest) -> HttpResponse:
    """Approve the ticked rows, each for itself."""
    form = BulkForm(request.POST, shown=waiting.for_viewer(request.user))
    if not form.is_valid():
        messages.error(request, str(next(iter(form.errors.values()))[0]))
        return redirect("approvals")
    proof = deciding.Proof(proved_at(request), form.cleaned_data["opened"][0])
    results = deciding.approve_many(choices=form.cleaned_data["row"], by=request.user, proof=proof)
    for result in results:
        if result.refused is None:
            step = transitions.next_approval(Stage(result.request.stage))
            messages.success(request, DONE[step or Step.HEAD].format(result.request.person.name))
        else:
            messages.error(request, f"{result.request.person.name}: {refusals.words(result.refused)}")
    return redirect("approvals")
