"""Business associates and other companies whose services are used, and the agreements with them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from clinchat.lib import clock
from compliance.models import Agreement, User, Vendor

SOON: Final = timedelta(days=30)
"""An agreement that ends within this is to be renewed now."""
VERIFIED_FOR: Final = timedelta(days=365)
LARGEST: Final = 5_000_000
"""Bytes of the document, which is hashed and not kept."""


class NameTaken(Exception):
    """There is a vendor of this name."""


class Ended(Exception):
    """The service is no longer used."""


class NoDocument(Exception):
    """An empty document, or one that is too large."""


class DatesWrong(Exception):
    """An agreement ends after it was signed, and was signed by now."""


@transaction.atomic
def add(*, name: str, service: str, hosts: Sequence[str], receives_phi: bool) -> Vendor:
    """Raises NameTaken."""
    return _once(Vendor(name=name, service=service, hosts=sorted(set(hosts)), receives_phi=receives_phi))


@transaction.atomic
def change(*, vendor_id: UUID, name: str, service: str, hosts: Sequence[str], receives_phi: bool) -> Vendor:
    """Raises NameTaken and Ended."""
    vendor = _in_use(vendor_id)
    vendor.name, vendor.service, vendor.receives_phi = name, service, receives_phi
    vendor.hosts = sorted(set(hosts))
    return _once(vendor)


@transaction.atomic
def end(*, vendor_id: UUID) -> Vendor:
    """Its service is no longer used. It stays in the register. Raises Ended."""
    vendor = _in_use(vendor_id)
    vendor.ended_at = clock.now()
    vendor.save(update_fields=["ended_at"])
    return vendor


@transaction.atomic
def add_agreement(
    *,
    vendor_id: UUID,
    signed_on: date,
    expires_on: date,
    verified_on: date | None,
    document: bytes,
    document_name: str,
    by: User,
) -> Agreement:
    """A signed agreement; earlier ones stay as they are. Of the document its SHA-256 is kept, and nothing else.

    Raises Ended, NoDocument, DatesWrong.
    """
    vendor = _in_use(vendor_id)
    if not 0 < len(document) <= LARGEST:
        raise NoDocument
    today = timezone.localdate()
    if expires_on <= signed_on or signed_on > today or (verified_on is not None and verified_on > today):
        raise DatesWrong
    return Agreement.objects.create(
        vendor=vendor,
        signed_on=signed_on,
        expires_on=expires_on,
        verified_on=verified_on,
        artifact_name=document_name,
        artifact_sha256=hashlib.sha256(document).hexdigest(),
        added_by=by,
    )


def newest(vendor: Vendor) -> Agreement | None:
    """The agreement that holds longest of those that are signed by now."""
    today = timezone.localdate()
    signed = [one for one in vendor.agreements.all() if one.signed_on <= today]
    return max(signed, key=lambda one: one.expires_on, default=None)


def _in_use(vendor_id: UUID) -> Vendor:
    vendor = Vendor.objects.select_for_update().get(pk=vendor_id)
    if vendor.ended_at is not None:
        raise Ended
    return vendor


def _once(vendor: Vendor) -> Vendor:
    try:
        with transaction.atomic():
            vendor.save()
    except IntegrityError:
        raise NameTaken from None
    return vendor
