"""From a record number to the pseudonym of the audit trail. The number itself is kept nowhere."""

from __future__ import annotations

import re
from typing import Final

from compliance import vault

LONGEST: Final = 64
PSEUDONYM: Final = re.compile(r"P-[0-9a-f]{16}")


class NoRecordNumber(Exception):
    """Nothing, or what cannot stand on a chart."""


def pseudonym(record_number: str) -> str:
    """What the patient is called here and in the trail. Raises NoRecordNumber."""
    number = record_number.strip()
    if not number or len(number) > LONGEST or not number.isprintable():
        raise NoRecordNumber
    return vault.pseudonym(number)
