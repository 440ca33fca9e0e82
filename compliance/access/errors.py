"""Why a person is turned away."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.exceptions import PermissionDenied


class Locked(PermissionDenied):
    """The person could be let in later; `missing` names what they still need, in words for them."""

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__("Locked")
        self.missing = tuple(missing)
