"""The quarterly review of roles: what waits for whom, and the decision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib import clock
from clinchat.lib.http import AuthedRequest
from compliance import audit
from compliance.access import Action, door, people, recertification
from compliance.models import Campaign, CampaignItem, User
from compliance.people_forms import DecisionsForm

ON_A_PAGE = 50
REFUSALS: dict[type[Exception], str] = {
    recertification.NotYours: "You hold this role yourself, granted it, or it is of another department: {item}.",
    recertification.AlreadyDecided: "Already decided, or ended meanwhile: {item}.",
    people.LastAdministrator: "Nobody else could administer ClinChat then: {item}.",
}


@require_safe
@door(Action.RECERTIFY)
def page(request: AuthedRequest) -> HttpResponse:
    campaign = Campaign.objects.first()
    undecided = _undecided()
    own, others = _split(request.user, undecided)
    audit.record(code=audit.Code.SENSITIVE_READ, action=audit.Crude.READ, object_type="compliance.CampaignItem")
    context = {
        "campaign": campaign,
        "counts": _counts(campaign),
        "page": Paginator(own, ON_A_PAGE).get_page(request.GET.get("page")),
        "others": others[:ON_A_PAGE],
        "more_others": max(0, len(others) - ON_A_PAGE),
        "stuck": {item.pk for item in recertification.stuck(others)},
        "everywhere": people.everywhere(request.user, Action.RECERTIFY),
        "may_open": _may_open(request.user, campaign),
    }
    return render(request, "people/recertification.html", context)


@require_POST
@door(Action.RECERTIFY)
def open_campaign(request: AuthedRequest) -> HttpResponse:
    try:
        campaign = recertification.open_campaign(by=request.user)
    except recertification.AlreadyOpen:
        messages.error(request, "This quarter has its review already.")
    except recertification.NotEverywhere:
        messages.error(request, "A review is about everybody, so a department head cannot begin one.")
    else:
        messages.success(request, f"The review {campaign.name} has begun. Everybody who confirms roles is told.")
    return redirect("recertification")


@require_POST
@door(Action.RECERTIFY)
def decide(request: AuthedRequest) -> HttpResponse:
    """The same decision about each of the chosen roles, each for itself: one that is refused stops no other."""
    items = {str(item.pk): item for item in _undecided() if people.rule(request.user, Action.RECERTIFY, item.holder)}
    form = DecisionsForm(request.POST, shown=list(items))
    if not form.is_valid():
        messages.error(request, "Nothing was decided. Choose roles of the list and one of the two buttons.")
        return redirect("recertification")
    chosen: list[UUID] = form.cleaned_data["item"]
    keep = form.cleaned_data["decision"] == "keep"
    act: Callable[..., CampaignItem] = recertification.keep if keep else recertification.take
    done = 0
    for pk in chosen:
        try:
            act(item_id=pk, by=request.user)
            done += 1
        except tuple(REFUSALS) as refused:
            messages.error(request, REFUSALS[type(refused)].format(item=items[str(pk)]))
    if done:
        words = "confirmed" if keep else "taken away"
        messages.success(request, f"{done} role{'' if done == 1 else 's'} {words}.")
    return redirect("recertification")


def _undecided() -> QuerySet[CampaignItem]:
    """What still waits, of this campaign and of earlier ones; a grant that stands in two is shown once."""
    found = CampaignItem.objects.undecided().filter(assignment__isnull=False)
    newest = found.order_by("assignment_id", "-campaign__opened_at").distinct("assignment_id").values("pk")
    shown = CampaignItem.objects.filter(pk__in=newest).select_related("holder", "grantor", "assignment", "campaign")
    return shown.order_by("holder__name", "holder_id", "role")


def _split(viewer: User, undecided: QuerySet[CampaignItem]) -> tuple[list[CampaignItem], list[CampaignItem]]:
    """What the viewer may decide, and what somebody else has to, as far as the viewer reaches."""
    reached = [item for item in undecided if people.rule(viewer, Action.RECERTIFY, item.holder)]
    own: list[CampaignItem] = []
    others: list[CampaignItem] = []
    for item in reached:
        (own if recertification.may_decide(viewer, item) else others).append(item)
    return own, others


def _counts(campaign: Campaign | None) -> list[tuple[str, int]]:
    if campaign is None:
        return []
    counts = Counter(campaign.items.values_list("status", flat=True))
    return [(str(CampaignItem.Status(status).label), counts[status]) for status in CampaignItem.Status.values]


def _may_open(viewer: User, campaign: Campaign | None) -> bool:
    this_quarter = recertification.quarter(clock.now())
    return people.everywhere(viewer, Action.RECERTIFY) and (campaign is None or campaign.name != this_quarter)
