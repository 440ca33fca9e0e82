"""What stores, carries or could reach ePHI: declared by people, and compared with what is found running."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError, transaction

from clinchat.lib import clock
from compliance.models import Asset, User

FOUND = "Found running. Say what it is for."
"""The purpose of an asset that was declared with one click."""


class DeclaredAlready(Exception):
    """An asset of this kind with this address is declared and in use."""


class Retired(Exception):
    """It is no longer in use and stays as it was."""


class NotFound(Exception):
    """Nothing like it is found running, so there is nothing to declare with one click."""


@dataclass(frozen=True)
class Line:
    """One thing that is declared, found, or both. `ephi_differs`: found to hold ePHI, and declared as holding none."""

    kind: str
    address: str
    declared: Asset | None
    found: bool
    ephi: bool
    what: str = ""

    @property
    def kind_words(self) -> str:
        return str(Asset.Kind(self.kind).label)

    @property
    def ephi_differs(self) -> bool:
        return self.found and self.declared is not None and self.ephi and not self.declared.ephi


@transaction.atomic
def declare(*, name: str, kind: Asset.Kind, address: str, ephi: bool, purpose: str, by: User) -> Asset:
    """Raises DeclaredAlready."""
    return _once(Asset(name=name, kind=kind, address=address, ephi=ephi, purpose=purpose, declared_by=by))


@transaction.atomic
def declare_found(*, kind: str, address: str, by: User) -> Asset:
    """Declare what is found running, as it is found. Raises NotFound and DeclaredAlready."""
    from compliance.controls.discovery import discover

    one = next((found for found in discover() if (found.kind, found.address) == (kind, address)), None)
    if one is None:
        raise NotFound
    name = (one.what or Asset.Kind(one.kind).label).capitalize()
    return declare(name=name, kind=Asset.Kind(one.kind), address=address, ephi=one.ephi, purpose=FOUND, by=by)


@transaction.atomic
def change(*, asset_id: UUID, name: str, kind: Asset.Kind, address: str, ephi: bool, purpose: str) -> Asset:
    """A new address, kind or class of data counts as a change of the inventory; another name or purpose does not.

    Raises Retired and DeclaredAlready.
    """
    asset = Asset.objects.select_for_update().get(pk=asset_id)
    if asset.retired_at is not None:
        raise Retired
    if (asset.kind, asset.address, asset.ephi) != (kind, address, ephi):
        asset.changed_at = clock.now()
    asset.name, asset.kind, asset.address, asset.ephi, asset.purpose = name, kind, address, ephi, purpose
    return _once(asset)


@transaction.atomic
def retire(*, asset_id: UUID) -> Asset:
    """It is no longer in use. It stays in the register. Raises Retired."""
    asset = Asset.objects.select_for_update().get(pk=asset_id)
    if asset.retired_at is not None:
        raise Retired
    asset.retired_at = asset.changed_at = clock.now()
    asset.save(update_fields=["retired_at", "changed_at"])
    return asset


def side_by_side() -> Sequence[Line]:
    """What is declared and what is found, each once: undeclared ones first, then those not found, then the rest."""
    from compliance.controls.discovery import discover

    found = {(str(one.kind), one.address): one for one in discover()}
    declared = {(asset.kind, asset.address): asset for asset in Asset.objects.in_use().select_related("declared_by")}
    lines = []
    for kind, address in {**found, **declared}:
        one, asset = found.get((kind, address)), declared.get((kind, address))
        ephi = one.ephi if one else asset is not None and asset.ephi
        lines.append(Line(kind, address, asset, one is not None, ephi, one.what if one else ""))
    return sorted(lines, key=lambda line: (line.declared is not None, line.found, line.kind, line.address))


def _once(asset: Asset) -> Asset:
    try:
        with transaction.atomic():
            asset.save()
    except IntegrityError:
        raise DeclaredAlready from None
    return asset
