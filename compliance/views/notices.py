"""What a person was told, and the way to put it away."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib.http import AuthedRequest
from compliance import notices
from compliance.access import Action, door
from compliance.access.next_page import own_path

EARLIER_SHOWN = 50


@require_safe
@door(Action.OWN_SETTINGS)
def page(request: AuthedRequest) -> HttpResponse:
    context = {
        "unread": notices.unread(request.user),
        "earlier": notices.read(request.user)[:EARLIER_SHOWN],
        "on_this_page": True,
    }
    return render(request, "people/notices.html", context)


@require_POST
@door(Action.OWN_SETTINGS)
def dismiss(request: AuthedRequest, notice_id: UUID) -> HttpResponse:
    notices.dismiss(request.user, notice_id)
    return redirect(own_path(request.POST.get("next", "")) or "notices")


@require_POST
@door(Action.OWN_SETTINGS)
def dismiss_all(request: AuthedRequest) -> HttpResponse:
    notices.dismiss_all(request.user)
    return redirect("notices")
