"""The hospital's changes beside what the release in use says of the same pairs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from chat import days
from chat.interactions import changes
from chat.interactions.table import Table
from chat.interactions.types import Interaction, Severity
from chat.models import LocalInteraction

Status = LocalInteraction.Status


@dataclass(frozen=True)
class Difference:
    """A change and the table. `known`: there is a table to compare with; `shipped` is what it says of the pair now."""

    change: LocalInteraction
    names: tuple[str, str]
    known: bool
    shipped: Interaction | None
    today: date

    @property
    def state(self) -> str:
        return "expired" if self.expired else str(self.change.status)

    @property
    def state_words(self) -> str:
        return "Expired" if self.expired else Status(self.change.status).label

    @property
    def expired(self) -> bool:
        """Approved, and its last day is over. A proposal whose last day is over can only be refused or withdrawn."""
        return self.change.status == Status.APPROVED and self.change.expires_on < self.today

    @property
    def in_force(self) -> bool:
        return self.change.status == Status.APPROVED and not self.expired

    @property
    def days_left(self) -> int:
        return (self.change.expires_on - self.today).days

    @property
    def now(self) -> str:
        """The severity in the release in use; empty: it does not hold the pair."""
        return self.shipped.severity.value if self.shipped else ""

    @property
    def raises(self) -> bool:
        """People are warned of more with it than by the table alone."""
        return not self.now or Severity(self.change.severity).rank > Severity(self.now).rank

    @property
    def agrees(self) -> bool:
        """The table says the same by now, so the change is no longer needed."""
        return self.known and self.now == self.change.severity

    @property
    def moved(self) -> bool:
        """A release since the proposal says something else of the pair."""
        return self.known and self.now != self.change.shipped

    @property
    def lacks_words(self) -> bool:
        """The table had the pair when the severity was changed, and has lost it: no words are left to show."""
        return self.known and self.shipped is None and not self.change.effect

    @property
    def warnings(self) -> tuple[str, ...]:
        return changes.warnings(self.change, self.shipped)

    @property
    def silences(self) -> bool:
        return changes.silences(self.change, self.shipped)


def of(rows: Iterable[LocalInteraction]) -> list[Difference]:
    """Each change beside the release in use."""
    table = changes.table_in_use()
    return [_difference(row, table) for row in rows]


def _difference(row: LocalInteraction, table: Table | None) -> Difference:
    names = (name_of(row.a, table), name_of(row.b, table))
    shipped = table.interaction(row.a, row.b) if table else None
    return Difference(row, names, table is not None, shipped, days.today())


def name_of(drug: str, table: Table | None) -> str:
    """How a medicine is called; by its id, where the release in use does not know it."""
    return table.drugs[drug].name if table and drug in table.drugs else drug
