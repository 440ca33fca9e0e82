"""Vendors and the agreements with them."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from clinchat.lib.files import takes_files
from clinchat.lib.http import AuthedRequest
from compliance.access import Action, door
from compliance.models import User, Vendor
from compliance.register_forms import AgreementForm, VendorForm
from compliance.registers import vendors
from compliance.views.registers import Refusals, ask, done, show
from compliance.views.signin import PAGE

GONE: Final = "Its service is no longer used. Nothing was changed."
REFUSED: Final[Refusals] = {
    vendors.NameTaken: ("name", "There is a vendor of this name already."),
    vendors.Ended: (None, GONE),
    vendors.NoDocument: ("document", "Choose the signed document, of at most 5 MB."),
    vendors.DatesWrong: (
        None,
        "It must end after it was signed, and no day of signing or confirming can be in the future.",
    ),
}


@require_safe
@door(Action.READ_CONTROLS)
def page(request: AuthedRequest) -> HttpResponse:
    found = Vendor.objects.prefetch_related("agreements")
    context = {
        "rows": [_row(vendor) for vendor in found if vendor.ended_at is None],
        "ended": [vendor for vendor in found if vendor.ended_at is not None],
    }
    return show(request, "vendors", context)


def _row(vendor: Vendor) -> dict[str, Any]:
    """The vendor with its agreement, and how that stands."""
    agreement, today = vendors.newest(vendor), timezone.localdate()
    state = "" if agreement else "missing" if vendor.receives_phi else "none"
    if agreement is not None:
        state = "over" if agreement.expires_on < today else "soon" if agreement.expires_on < _soon(today) else "holds"
    verified = agreement.verified_on if agreement else None
    late = verified is not None and verified + vendors.VERIFIED_FOR < today
    return {"vendor": vendor, "agreement": agreement, "state": state, "verified_late": late}


def _soon(today: date) -> date:
    return today + vendors.SOON


@require_safe
@door(Action.READ_CONTROLS)
def one(request: AuthedRequest, vendor_id: UUID) -> HttpResponse:
    vendor = get_object_or_404(Vendor.objects.prefetch_related("agreements__added_by"), pk=vendor_id)
    return show(request, "vendor", _row(vendor))


@PAGE
@door(Action.KEEP_REGISTERS)
@sensitive_post_parameters("name", "service")
def new(request: AuthedRequest) -> HttpResponse:
    form = VendorForm(request.POST or None)
    if done(form, vendors.add, REFUSED):
        messages.success(request, "The vendor is in the register. Add the agreement with it.")
        return redirect("vendors")
    lead = "A business associate, or another company whose service ClinChat uses."
    return ask(request, form, title="New vendor", lead=lead, button="Add this vendor", back=reverse("vendors"))


@PAGE
@door(Action.KEEP_REGISTERS)
@sensitive_post_parameters("name", "service")
def edit(request: AuthedRequest, vendor_id: UUID) -> HttpResponse:
    vendor = get_object_or_404(Vendor, pk=vendor_id)
    initial = {name: getattr(vendor, name) for name in ("name", "service", "receives_phi")}
    form = VendorForm(request.POST or None, initial={**initial, "hosts": "\n".join(vendor.hosts)})
    if done(form, partial(vendors.change, vendor_id=vendor.pk), REFUSED):
        messages.success(request, "Saved.")
        return redirect("vendor", vendor.pk)
    back = reverse("vendor", args=[vendor.pk])
    return ask(
        request, form, title=f"Change {vendor.name}", lead="Agreements stay as they are.", button="Save", back=back
    )


@PAGE
@door(Action.KEEP_REGISTERS)
@takes_files(vendors.LARGEST)
@sensitive_post_parameters("document_name")
def agreement(request: AuthedRequest, vendor_id: UUID) -> HttpResponse:
    vendor = get_object_or_404(Vendor, pk=vendor_id)
    form = AgreementForm(request.POST or None, request.FILES or None)
    if done(form, partial(_add, vendor.pk, request.user), REFUSED):
        messages.success(request, "The agreement is in the register. Earlier ones stay there.")
        return redirect("vendor", vendor.pk)
    lead = "A signed agreement is added and never changed. Of the file only its SHA-256 is kept."
    back = reverse("vendor", args=[vendor.pk])
    return ask(request, form, title=f"Agreement with {vendor.name}", lead=lead, button="Add this agreement", back=back)


def _add(vendor_id: UUID, by: User, *, document: UploadedFile[Any], **given: Any) -> None:
    vendors.add_agreement(vendor_id=vendor_id, by=by, document=document.read(), **given)


@require_POST
@door(Action.KEEP_REGISTERS)
def end(request: AuthedRequest, vendor_id: UUID) -> HttpResponse:
    vendor = get_object_or_404(Vendor, pk=vendor_id)
    try:
        vendors.end(vendor_id=vendor.pk)
    except vendors.Ended:
        messages.info(request, GONE)
    else:
        messages.success(request, f"The service of {vendor.name} is no longer used. It stays in the register.")
    return redirect("vendors")
