"""Networks that are shut out: looking, blocking, and letting in again."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from clinchat.lib import clock
from clinchat.lib.http import AuthedRequest
from compliance.access import Action, door, lockout, networks, origin, works_read_only
from compliance.block_forms import BlockForm, FindForm
from compliance.models import NetworkBlock

ON_A_PAGE = 50
ENDED_SHOWN = 20


@works_read_only("A network is shut out at once, and let in again")
@require_http_methods(["GET", "HEAD", "POST"])
@door(Action.BLOCK_NETWORKS)
def blocks(request: AuthedRequest) -> HttpResponse:
    form = BlockForm(request.POST or None)
    if form.is_valid():
        source, _ = origin.route(request)
        try:
            made, new = networks.block(**form.cleaned_data, by=request.user, source=source)
        except networks.Refused as refused:
            form.add_error("network", refused.words)
        else:
            words = "{} is blocked, within two seconds." if new else "{} was blocked already. Nothing was changed."
            messages.success(request, words.format(made.network))
            return redirect("blocks")
    return _page(request, form)


@works_read_only("Who was shut out by mistake gets in again")
@require_POST
@door(Action.BLOCK_NETWORKS)
def end(request: AuthedRequest, block_id: UUID) -> HttpResponse:
    block = get_object_or_404(NetworkBlock, pk=block_id)
    if networks.unblock([block], by=request.user):
        messages.success(request, f"{block.network} is let in again, within two seconds.")
    else:
        messages.info(request, "That block had ended already. Nothing was changed.")
    return redirect("blocks")


def _alert() -> bool:
    try:
        return lockout.alert()
    except lockout.Unavailable:  # blocking must work without Redis
        return False


def _page(request: AuthedRequest, form: BlockForm) -> HttpResponse:
    now = clock.now()
    finding = FindForm(request.GET)
    live = NetworkBlock.objects.live(now)
    wanted = finding.cleaned_data["find"] if finding.is_valid() else None
    if wanted is not None:
        live = live.filter(pk__in=[one.pk for one in networks.holding(wanted)])
    context = {
        "form": form,
        "alert": _alert(),
        "finding": finding,
        "wanted": wanted,
        "page": Paginator(live.select_related("made_by"), ON_A_PAGE).get_page(request.GET.get("page")),
        "over": NetworkBlock.objects.over(now).select_related("made_by", "ended_by")[:ENDED_SHOWN],
        "own": origin.route(request)[0],
    }
    return render(request, "blocks/blocks.html", context)
