"""The detectors of every kind of identifier, by the name of their family."""

from __future__ import annotations

from typing import Final

from compliance.phi.adapter import Detect
from compliance.phi.detectors import (
    addresses,
    ages,
    clinical,
    contacts,
    dates,
    facilities,
    identifiers,
    names,
    rooms,
    towns,
)

DETECTORS: Final[dict[str, Detect]] = {
    "clinical": clinical.detect,
    "dates": dates.detect,
    "ages": ages.detect,
    "contacts": contacts.detect,
    "identifiers": identifiers.detect,
    "addresses": addresses.detect,
    "towns": towns.detect,
    "facilities": facilities.detect,
    "rooms": rooms.detect,
    "names": names.detect,
}
