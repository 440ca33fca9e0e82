"""The inventory: what is declared, side by side with what is found running."""

from __future__ import annotations

from functools import partial
from typing import Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib.http import AuthedRequest
from compliance.access import Action, door
from compliance.models import Asset
from compliance.register_forms import AssetForm, DeclareForm
from compliance.registers import assets
from compliance.views.registers import Refusals, ask, done, show
from compliance.views.signin import PAGE

RETIRED_SHOWN: Final = 30
FIELDS: Final = ("name", "kind", "address", "ephi", "purpose")
REFUSED: Final[Refusals] = {
    assets.DeclaredAlready: ("address", "An asset of this kind with this address is declared already."),
    assets.Retired: (None, "It is retired and stays as it was. Declare it again."),
}
NOT_FOUND: Final = "Nothing like it is found running any more. Nothing was declared."


@require_safe
@door(Action.READ_CONTROLS)
def page(request: AuthedRequest) -> HttpResponse:
    lines = assets.side_by_side()
    context = {
        "lines": lines,
        "undeclared": sum(line.declared is None for line in lines),
        "missing": sum(not line.found for line in lines),
        "retired": Asset.objects.exclude(retired_at=None).order_by("-retired_at")[:RETIRED_SHOWN],
    }
    return show(request, "assets", context)


@PAGE
@door(Action.KEEP_REGISTERS)
@sensitive_post_parameters("name", "purpose")
def new(request: AuthedRequest) -> HttpResponse:
    form = AssetForm(request.POST or None)
    if done(form, partial(assets.declare, by=request.user), REFUSED):
        messages.success(request, "Declared. If it holds ePHI, link it to a risk and have the register approved.")
        return redirect("assets")
    lead = "Something that stores, carries or could reach ePHI."
    return ask(request, form, title="Declare an asset", lead=lead, button="Declare", back=reverse("assets"))


@PAGE
@door(Action.KEEP_REGISTERS)
@sensitive_post_parameters("name", "purpose")
def edit(request: AuthedRequest, asset_id: UUID) -> HttpResponse:
    asset = get_object_or_404(Asset, pk=asset_id)
    form = AssetForm(request.POST or None, initial={name: getattr(asset, name) for name in FIELDS})
    if done(form, partial(assets.change, asset_id=asset.pk), REFUSED):
        messages.success(request, "Saved.")
        return redirect("assets")
    lead = "A new address, kind or class of data changes the inventory: the risk register has to be approved again."
    return ask(request, form, title=f"Change {asset.name}", lead=lead, button="Save", back=reverse("assets"))


@require_POST
@door(Action.KEEP_REGISTERS)
def declare(request: AuthedRequest) -> HttpResponse:
    """What is found running, with one click."""
    form = DeclareForm(request.POST)
    if not form.is_valid():
        messages.error(request, NOT_FOUND)
        return redirect("assets")
    try:
        asset = assets.declare_found(**form.cleaned_data, by=request.user)
    except assets.NotFound:
        messages.error(request, NOT_FOUND)
    except assets.DeclaredAlready:
        messages.info(request, "It is declared already.")
    else:
        messages.success(request, "Declared as it was found. Say what it is for.")
        return redirect("asset-edit", asset.pk)
    return redirect("assets")


@require_POST
@door(Action.KEEP_REGISTERS)
def retire(request: AuthedRequest, asset_id: UUID) -> HttpResponse:
    asset = get_object_or_404(Asset, pk=asset_id)
    try:
        assets.retire(asset_id=asset.pk)
    except assets.Retired:
        messages.info(request, "It is retired already.")
    else:
        messages.success(request, f"{asset.name} is retired. It stays in the register.")
    return redirect("assets")
