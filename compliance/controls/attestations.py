"""What a person signs for a control, with the document it rests on. The only writer of attestations."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import QuerySet

from clinchat.lib import clock
from compliance.access.roles import Role
from compliance.controls import catalogue
from compliance.controls.catalogue import Control
from compliance.models import Attestation, ControlOwner, Official, User

LARGEST: Final = 2 * 1024 * 1024
"""Bytes of the document."""
OFFICES: Final = {
    Official.Office.SECURITY: Role.SECURITY_OFFICER,
    Official.Office.PRIVACY: Role.PRIVACY_OFFICER,
    Official.Office.COMPLIANCE: Role.COMPLIANCE_MANAGER,
}
"""The role of whoever answers for a control while nobody is named to its office."""
_LOCK: Final = 0x6174746E  # "attn"


class NotTheirs(Exception):
    """Somebody else answers for this control."""


class NothingToSign(Exception):
    """The control is kept by checks alone."""


class NoDocument(Exception):
    """An empty document, or one that is too large."""


class NotOpen(Exception):
    """It has ended already."""


def owner_of(control: Control) -> User | None:
    """Who answers for a control: whoever was named for it, then the official whose office the catalogue names."""
    named = ControlOwner.objects.filter(control=control.id).select_related("owner").first()
    if named is not None:
        return named.owner
    office = control.duty.office if control.duty else Official.Office.SECURITY
    official = Official.objects.filter(office=office, deputy=False, until=None).select_related("person").first()
    return official.person if official else None


def may_sign(person: User, control: Control) -> bool:
    """Its owner; while there is none, whoever holds the role of its office. A closed account signs nothing."""
    if not person.is_active or control.duty is None:
        return False
    owner = owner_of(control)
    if owner is not None:
        return owner == person
    return OFFICES[Official.Office(control.duty.office)] in person.roles


@transaction.atomic
def attest(*, control_id: str, owner: User, statement: str, document: bytes, document_name: str) -> Attestation:
    """The owner signs; what was signed before is replaced. Statement and name of the document are masked already.

    Raises NothingToSign, NotTheirs, NoDocument.
    """
    control = catalogue.current().by_id.get(control_id)
    if control is None or control.duty is None or not _by_hand(control):
        raise NothingToSign
    if not may_sign(owner, control):
        raise NotTheirs
    if not 0 < len(document) <= LARGEST:
        raise NoDocument
    _one_by_one(control.id)
    now = clock.now()
    _end(Attestation.objects.filter(control=control.id), Attestation.Ended.REPLACED)
    return Attestation.objects.create(
        control=control.id,
        owner=owner,
        statement=statement,
        artifact_name=document_name,
        artifact_sha256=hashlib.sha256(document).hexdigest(),
        artifact=base64.b64encode(document).decode(),
        attested_at=now,
        review_by=now + timedelta(days=control.duty.review_days),
    )


def _one_by_one(control_id: str) -> None:
    """Two signatures at once: the second waits, and then takes the place of the first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCK, control_id])


def _by_hand(control: Control) -> bool:
    return control.mode in {catalogue.Mode.HYBRID, catalogue.Mode.ATTESTATION}


@transaction.atomic
def withdraw(*, attestation: Attestation, by: User) -> None:
    """Whoever signed it takes it back. Raises NotTheirs, NotOpen."""
    if attestation.owner_id != by.pk:
        raise NotTheirs
    if not _end(Attestation.objects.filter(pk=attestation.pk), Attestation.Ended.WITHDRAWN):
        raise NotOpen


def document(attestation: Attestation) -> bytes:
    """The document it rests on. Raises clinchat.lib.sealed.Unsealable when it cannot be opened."""
    return base64.b64decode(attestation.artifact)


def lapse() -> int:
    """End what was signed by somebody whose account is closed or who no longer answers for it; returns how many.

    With an account it ended when that was closed, not when somebody looked.
    """
    ended = 0
    known = catalogue.current().by_id
    for one in Attestation.objects.filter(ended_at=None).select_related("owner").defer("artifact"):
        control = known.get(one.control)
        if control is None or not may_sign(one.owner, control):
            closed = one.owner.closed_at if not one.owner.is_active else None
            when = max(closed, one.attested_at) if closed else None
            ended += _end(Attestation.objects.filter(pk=one.pk), Attestation.Ended.OWNER, when)
    return ended


def _end(which: QuerySet[Attestation], why: Attestation.Ended, when: datetime | None = None) -> int:
    return which.filter(ended_at=None).update(ended_at=when or clock.now(), ended_because=why)
