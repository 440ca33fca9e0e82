"""The risk register: what could go wrong with which asset, what is done about it, and versions of it as approved."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from clinchat.lib import clock
from compliance.audit import AuditEvent, Lane
from compliance.controls.results import canonical
from compliance.models import Asset, Risk, RiskApproval, User

Status = Risk.Status
MOST_DEFERRALS: Final = 2
"""More than these, and risk.no_overdue_treatment fails."""


class NoDate(Exception):
    """A risk that is being treated has a date by when."""


class NotLater(Exception):
    """Deferring means a later date; an earlier one, or the same, is a change like any other."""


class NotOpen(Exception):
    """Only a risk that is being treated can be deferred."""


class DateMoved(Exception):
    """A later date is given by deferring, which counts."""


class OwnerGone(Exception):
    """The account of the owner is closed, or belongs to a program."""


class SecondPersonNeeded(Exception):
    """Whoever changed the register last, or owns every open risk in it, does not approve it."""


class NotComplete(Exception):
    """The register cannot be approved as it stands; `reasons` say why, in words for its reader."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("NotComplete")
        self.reasons = reasons


@transaction.atomic
def add(
    *,
    title: str,
    threat: str,
    likelihood: int,
    impact: int,
    treatment: str,
    status: Risk.Status,
    owner: User,
    due: date | None,
    assets: Iterable[Asset] = (),
) -> Risk:
    """A new risk with the next number. Raises NoDate and OwnerGone."""
    _whole(status, owner, due)
    _one_at_a_time()
    number = (Risk.objects.aggregate(last=Max("number"))["last"] or 0) + 1
    risk = Risk.objects.create(
        number=number,
        title=title,
        threat=threat,
        likelihood=likelihood,
        impact=impact,
        treatment=treatment,
        status=status,
        owner=owner,
        due=due,
    )
    risk.assets.set(assets)
    return risk


@transaction.atomic
def change(*, risk_id: UUID, assets: Iterable[Asset], **fields: Any) -> Risk:
    """`fields` as in `add`. To open a risk again counts as putting it off.

    Raises NoDate, OwnerGone and DateMoved: a later date is given by `defer`.
    """
    risk = Risk.objects.select_for_update().get(pk=risk_id)
    due, status = fields["due"], fields["status"]
    _whole(status, fields["owner"], due, before=risk.owner)
    if risk.status == status == Status.OPEN and risk.due and due > risk.due:
        raise DateMoved
    if risk.status != Status.OPEN and status == Status.OPEN:
        risk.deferrals += 1
    for name, value in fields.items():
        setattr(risk, name, value)
    risk.changed_at = clock.now()
    risk.save()
    risk.assets.set(assets)
    return risk


@transaction.atomic
def defer(*, risk_id: UUID, due: date) -> Risk:
    """Put the date off, which is counted. Raises NotOpen and NotLater."""
    risk = Risk.objects.select_for_update().get(pk=risk_id)
    if risk.status != Status.OPEN or risk.due is None:
        raise NotOpen
    if due <= risk.due:
        raise NotLater
    risk.due, risk.deferrals, risk.changed_at = due, risk.deferrals + 1, clock.now()
    risk.save(update_fields=["due", "deferrals", "changed_at"])
    return risk


@transaction.atomic
def approve(*, by: User) -> RiskApproval:
    """The register as it stands is approved: the next version. Raises NotComplete and SecondPersonNeeded."""
    _one_at_a_time()
    if reasons := incomplete():
        raise NotComplete(reasons)
    if not may_approve(by):
        raise SecondPersonNeeded
    register = as_dict()
    number = (RiskApproval.objects.aggregate(last=Max("number"))["last"] or 0) + 1
    return RiskApproval.objects.create(number=number, approved_by=by, register=register, sha256=digest(register))


def incomplete() -> list[str]:
    """Why the register cannot be approved as it stands, in words for its reader; empty when it can."""
    reasons = []
    uncovered = [asset.name for asset in Asset.objects.in_use().filter(ephi=True, risks=None)]
    if not Asset.objects.in_use().filter(ephi=True).exists():
        reasons.append("No asset with ePHI is declared.")
    if uncovered:
        reasons.append(f"No risk is linked to {', '.join(uncovered[:5])}{' and others' if len(uncovered) > 5 else ''}.")
    unowned = [f"R-{risk.number}" for risk in Risk.objects.open().filter(owner__is_active=False)]
    if unowned:
        reasons.append(f"The account of the owner is closed: {', '.join(unowned)}.")
    return reasons


def may_approve(person: User) -> bool:
    """Neither who changed the register or its assets last, nor the only one who owns open risks."""
    owners = set(Risk.objects.open().values_list("owner", flat=True))
    return owners != {person.pk} and last_changed_by() != person.pk


def last_changed_by() -> UUID | None:
    """Who changed the newest of risks and assets, by the audit trail; None for a command, and where nobody is known."""
    risk, asset = Risk.objects.order_by("-changed_at").first(), Asset.objects.order_by("-changed_at").first()
    newest = risk if asset is None or (risk is not None and risk.changed_at > asset.changed_at) else asset
    if newest is None:
        return None
    kind = f"compliance.{type(newest).__name__}"
    events = AuditEvent.objects.filter(lane=Lane.DATA, object_type=kind, object_id=str(newest.pk))
    return events.order_by("-timestamp", "-id").values_list("actor_id", flat=True).first()


def as_dict() -> dict[str, Any]:
    """The whole register: every risk with its assets, and every asset in use."""
    return {
        "risks": [
            {
                "number": risk.number,
                "title": risk.title,
                "threat": risk.threat,
                "likelihood": risk.likelihood,
                "impact": risk.impact,
                "rating": risk.rating,
                "treatment": risk.treatment,
                "status": risk.status,
                "owner": risk.owner.name,
                "due": risk.due.isoformat() if risk.due else None,
                "deferrals": risk.deferrals,
                "assets": sorted(str(asset.pk) for asset in risk.assets.all()),
            }
            for risk in Risk.objects.select_related("owner").prefetch_related("assets")
        ],
        "assets": [
            {
                "id": str(asset.pk),
                "name": asset.name,
                "kind": asset.kind,
                "address": asset.address,
                "ephi": asset.ephi,
                "purpose": asset.purpose,
            }
            for asset in Asset.objects.in_use()
        ],
    }


def digest(register: dict[str, Any]) -> str:
    """SHA-256 over its canonical form, as results of checks have it."""
    return hashlib.sha256(canonical(register)).hexdigest()


def _whole(status: str, owner: User, due: date | None, before: User | None = None) -> None:
    if status == Status.OPEN and due is None:
        raise NoDate
    if owner != before and (not owner.is_active or owner.is_service):
        raise OwnerGone


def _one_at_a_time() -> None:
    """Numbers have no gap and no double, and what is approved is what was looked at."""
    list(Risk.objects.select_for_update().order_by("pk").values_list("pk", flat=True))
    list(RiskApproval.objects.select_for_update().order_by("-number").values_list("pk", flat=True)[:1])
