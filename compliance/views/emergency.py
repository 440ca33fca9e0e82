"""Emergency access: taking it, giving it back, and the review by a second person."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib.http import AuthedRequest
from compliance import audit, audit_lines
from compliance.access import Action, door, emergency, works_read_only
from compliance.access.limits import TooMany
from compliance.emergency_forms import ReviewForm, TakeForm
from compliance.models import BreakGlass
from compliance.views.signin import PAGE

REVIEWED_SHOWN = 50
NOT_AVAILABLE = "Nothing at this address or with this id can be opened. Check it and try again."
TOO_MANY_TODAY = (
    f"You took emergency access {emergency.MOST_A_DAY} times within a day, which is the most. "
    "Call the privacy officer on duty."
)
TOO_MANY_TRIES = "Too many tries. Wait {minutes} min, or call the privacy officer on duty."


@works_read_only("An emergency does not wait")
@PAGE
@door(Action.BREAK_GLASS)
@sensitive_post_parameters("reason")
def take(request: AuthedRequest) -> HttpResponse:
    form = TakeForm(request.POST) if request.method == "POST" else TakeForm(initial={"what": request.GET.get("for")})
    if form.is_valid():
        try:
            access = emergency.take(user=request.user, **form.cleaned_data)
            messages.warning(request, "You have emergency access. The privacy officers were told.")
            return redirect(emergency.url(access))
        except emergency.NotNeeded as open_anyway:
            messages.info(request, "You may read this without emergency access. None was taken.")
            return redirect(open_anyway.url)
        except emergency.NotAvailable:
            form.add_error("what", NOT_AVAILABLE)
        except emergency.TooManyToday:
            form.add_error(None, TOO_MANY_TODAY)
        except TooMany as refused:
            form.add_error(None, TOO_MANY_TRIES.format(minutes=-(-refused.retry_after // 60)))
    return render(request, "emergency/take.html", {"form": form})


@works_read_only("What is taken away is gone at once")
@require_POST
@door(Action.BREAK_GLASS)
def end(request: AuthedRequest, access_id: UUID) -> HttpResponse:
    if emergency.end(user=request.user, access_id=access_id):
        messages.success(request, "Emergency access ended.")
    else:
        messages.info(request, "That emergency access is over.")
    return redirect("home")


@require_safe
@door(Action.REVIEW_BREAK_GLASS)
def reviews(request: AuthedRequest) -> HttpResponse:
    _record_read("")
    waiting = list(BreakGlass.objects.waiting().select_related("user"))
    reviewed = BreakGlass.objects.exclude(reviewed_at=None).select_related("user").order_by("-reviewed_at")
    context = {
        "waiting": waiting,
        "overdue": sum(access.is_overdue for access in waiting),
        "reviewed": list(reviewed[:REVIEWED_SHOWN]),
    }
    return render(request, "emergency/reviews.html", context)


@PAGE
@door(Action.REVIEW_BREAK_GLASS)
@sensitive_post_parameters("note")
def review(request: AuthedRequest, access_id: UUID) -> HttpResponse:
    access = get_object_or_404(BreakGlass.objects.select_related("user", "reviewed_by"), pk=access_id)
    form = ReviewForm(request.POST or None)
    if form.is_valid():
        try:
            emergency.review(access=access, by=request.user, **form.cleaned_data)
            messages.success(request, "Saved. The person was told the finding.")
        except emergency.OwnAccess:
            messages.error(request, "You took this access, so somebody else has to review it.")
        except emergency.AlreadyReviewed:
            messages.info(request, "Somebody else has reviewed it already.")
        return redirect("emergency-review", access_id)
    _record_read(str(access.pk))
    return render(request, "emergency/review.html", {"form": form, **_shown(access, request)})


def _shown(access: BreakGlass, request: AuthedRequest) -> dict[str, object]:
    found = emergency.read_under(access)
    events = list(found[: emergency.EVENTS_SHOWN])
    return {
        "access": access,
        "own": access.user_id == request.user.pk,
        "findings": BreakGlass.Finding.choices,
        "lines": audit_lines.lines(events),
        "more": found.count() if len(events) == emergency.EVENTS_SHOWN else 0,
    }


def _record_read(access_id: str) -> None:
    """Reasons and what was read are shown: that is a read of its own."""
    audit.record(
        code=audit.Code.SENSITIVE_READ,
        action=audit.Crude.READ,
        object_type="compliance.BreakGlass",
        object_id=access_id,
    )
