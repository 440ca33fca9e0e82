"""What pages show of a check that was made, of a pair and of the table in use. Reads only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from chat.interactions import checks, current, status
from chat.interactions.checks import Shown, interrupts
from chat.interactions.current import Current
from chat.interactions.names import Kind
from chat.interactions.types import Severity
from chat.models import InteractionAlert, InteractionCheck


class UnknownDrug(Exception):
    """The table holds no such ingredient."""


@dataclass(frozen=True)
class CheckView:
    """`alerts` interrupt and carry what their reader did with them; `others` are one closed line.

    `too_many` medicines were named to be checked, where that is not 0. `waits`: a contraindicated pair was not
    answered yet.
    """

    available: bool
    alerts: list[Shown] = field(default_factory=list)
    others: list[Shown] = field(default_factory=list)
    named: list[Shown] = field(default_factory=list)
    none_found: list[list[str]] = field(default_factory=list)
    not_covered: list[str] = field(default_factory=list)
    not_recognised: list[Shown] = field(default_factory=list)
    duplicates: list[Shown] = field(default_factory=list)
    table: Shown = field(default_factory=dict)
    too_many: int = 0
    most: int = 0

    @property
    def checked(self) -> list[str]:
        """The medicines that the table speaks of, as they were named; fewer than two were not checked at all."""
        found = [one["name"] for one in self.named if not set(one["holds"]) <= set(self.not_covered)]
        return found if len(found) > 1 else []

    @property
    def guessed(self) -> list[str]:
        """The names that were read out of something written otherwise."""
        return [one["name"] for one in self.named if one["kind"] == Kind.MISSPELLING]

    @property
    def medicines(self) -> list[str]:
        return [one["name"] for one in self.named]

    @property
    def waits(self) -> bool:
        return any(one["severity"] == Severity.CONTRAINDICATED and not one["response"] for one in self.alerts)

    @property
    def quiet(self) -> bool:
        """Whether there is nothing to tell: fewer than two medicines, and each of them recognized."""
        told = self.alerts or self.others or self.not_recognised or self.duplicates or self.too_many
        return self.available and not told and len(self.medicines) < 2


def view(made: InteractionCheck) -> CheckView:
    """The check as it was made, with what became of its alerts."""
    kept = made.result
    if not kept.get("available"):
        return CheckView(available=False)
    if "too_many" in kept:
        return CheckView(available=True, too_many=kept["too_many"], most=kept["most"])
    answered = {(one.a, one.b): one for one in made.alerts.all()}
    found = kept["found"]
    return CheckView(
        available=True,
        alerts=[_answered(one, answered[(one["a"], one["b"])]) for one in found if interrupts(one)],
        others=[one for one in found if not interrupts(one)],
        named=kept["medicines"],
        none_found=kept["none_found"],
        not_covered=kept["not_covered"],
        not_recognised=kept["not_recognised"],
        duplicates=kept["duplicates"],
        table=kept["table"],
    )


def _answered(found: Shown, alert: InteractionAlert) -> Shown:
    """An interaction as it was shown, with what its reader did with the alert."""
    return {**found, "id": alert.pk, "response": alert.response, "reason": alert.reason}


def of_check(made: InteractionCheck) -> dict[str, Any]:
    """A check as its own page shows it, the gravest first."""
    result, shown = made.result, view(made)
    return {
        "check": made,
        "result": result,
        "alerts": shown.alerts,
        "others": shown.others,
        "unknown": [_unknown(result, number) for number in range(len(result["not_recognised"]))],
        "products": [one for one in result["medicines"] if len(one["ids"]) > 1],
        "lines": _lines(result),
    }


def of_alert(alert: InteractionAlert) -> dict[str, Any]:
    """One alert as it was shown."""
    found = next(one for one in alert.check_made.result["found"] if (one["a"], one["b"]) == (alert.a, alert.b))
    return _answered(found, alert)


def _lines(result: Shown) -> str:
    """The list as it can be changed and sent again: names of the table, and what was not recognized, masked."""
    return "\n".join([*_names(result), *(one["text"] for one in result["not_recognised"])])


def _names(result: Shown) -> list[str]:
    return [one["name"] for one in result["medicines"]]


def _unknown(result: Shown, number: int) -> dict[str, Any]:
    """An entry with, for each suggestion, the list in which it stands corrected."""
    entries = [one["text"] for one in result["not_recognised"]]
    one = result["not_recognised"][number]
    corrected = [
        (name, "\n".join([*_names(result), *entries[:number], name, *entries[number + 1 :]]))
        for name in one["suggestions"]
    ]
    return {"text": one["text"], "suggestions": corrected}


def of_pair(a: str, b: str) -> dict[str, Any]:
    """Everything the table in use says of two ingredients, in any order. Raises UnknownDrug and Unavailable."""
    state = current.current()
    if a == b or a not in state.drugs or b not in state.drugs:
        raise UnknownDrug
    a, b = sorted((a, b))
    found = state.interaction(a, b)
    return {
        "drugs": [_drug(state, one) for one in (a, b)],
        "found": checks.interaction(state, found) if found else None,
        "rules": found.rules if found else (),
        "products": found.products if found else (),
        "not_covered": [state.drugs[one].name for one in (a, b) if not state.drugs[one].covered],
    }


def _drug(state: Current, one: str) -> dict[str, Any]:
    drug = state.drugs[one]
    labels = [state.classes[kind].label for kind in drug.classes if kind in state.classes]
    return {"name": drug.name, "brands": drug.brands, "classes": sorted(labels), "high_alert": drug.high_alert}


def limits() -> dict[str, Any]:
    """What a reader must know of the table before they rely on it. Raises Unavailable."""
    state = current.current()
    aged = status.sources(state.table)
    return {
        "version": state.table.version,
        "sha256": state.table.release.sha256,
        "backup": state.from_backup,
        "sources": aged,
        "old": [source for source in aged if source.old],
        "without_data": status.without_data(state.table),
        "medicines": len(state.drugs),
        "pairs": state.table.pairs,
    }
