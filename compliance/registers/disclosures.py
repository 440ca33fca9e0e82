"""PHI given away outside treatment, payment and operations, and the accounting of it: 45 CFR 164.528."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import date
from typing import Final

from django.db import transaction
from django.utils import timezone

from compliance.audit.export import FORMULA
from compliance.models import Disclosure, User
from compliance.registers import patients

YEARS: Final = 6
COLUMNS: Final = ("Date", "Recipient", "What", "Why")
"""What 45 CFR 164.528(b)(2) asks to tell of each."""


class NotYet(Exception):
    """It is recorded after it happened."""


@dataclass(frozen=True)
class Line:
    """One disclosure, as it is accounted for; fields in the order of COLUMNS."""

    disclosed_on: date
    recipient: str
    what: str
    why: str


@transaction.atomic
def record(*, record_number: str, disclosed_on: date, recipient: str, what: str, why: str, by: User) -> Disclosure:
    """Of the patient only the pseudonym is kept. Raises NotYet and patients.NoRecordNumber."""
    if disclosed_on > timezone.localdate():
        raise NotYet
    return Disclosure.objects.create(
        patient=patients.pseudonym(record_number),
        disclosed_on=disclosed_on,
        recipient=recipient,
        what=what,
        why=why,
        recorded_by=by,
    )


def accounting(patient: str, *, until: date | None = None) -> list[Line]:
    """What was disclosed of a patient, named by the pseudonym, in the six years to `until`; the oldest first."""
    last = until or timezone.localdate()
    found = Disclosure.objects.filter(patient=patient, disclosed_on__gte=since(last), disclosed_on__lte=last)
    rows = found.order_by("disclosed_on", "recorded_at").values_list("disclosed_on", "recipient", "what", "why")
    return [Line(*row) for row in rows]


def since(last: date) -> date:
    """The first day of the six years that end with `last`."""
    try:
        return last.replace(year=last.year - YEARS)
    except ValueError:  # February 29
        return last.replace(year=last.year - YEARS, day=28)


def as_csv(lines: Iterable[Line]) -> str:
    """RFC 4180, one header. What a spreadsheet program would run as a formula is quoted."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(COLUMNS)
    for line in lines:
        table.writerow(_cells(line))
    return out.getvalue()


def _cells(line: Line) -> Sequence[str]:
    texts = [str(value) for value in astuple(line)]
    return [f"'{text}" if text.startswith(FORMULA) else text for text in texts]
