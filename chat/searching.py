"""Words to search for. They stand in an address, which browsers keep: so only without what identifies a patient."""

from __future__ import annotations

from typing import NamedTuple

from django.http import HttpRequest

from chat.forms import plain
from compliance import masking, phi

LONGEST = 300
LEFT_OUT = "Patient identifiers were left out of your search."
NOT_SEARCHED = "This could not be checked for patient identifiers, so nothing was searched. Try again in a minute."


class Words(NamedTuple):
    """`changed`: something was left out of what was typed."""

    text: str
    changed: bool


def typed(request: HttpRequest) -> str:
    """What somebody sent as `q`, by form or address."""
    given = request.POST if request.method == "POST" else request.GET
    return plain(given.get("q", ""))[:LONGEST]


def words(text: str, *, where: str) -> Words:
    """What of a typed text may be searched for and stand in an address. Raises phi.PhiUnavailable."""
    masked = masking.mask(text, where=where) if text else None
    if masked is None or not masked.spans:
        return Words(text, changed=False)
    return Words(" ".join(phi.without_tokens(masked.text).split()), changed=True)
