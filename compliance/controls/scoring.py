"""The score: a pure function of a catalogue and of what was found, signed and accepted by some moment.

What is unknown counts as nothing: a check that never ran, is out of date, could not run or was taken away is worth 0.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from compliance.controls.catalogue import Catalogue, Control, Kind, Mode

CAP: Final = 69.0
"""The most an installation scores while a gate is not kept."""
STALE_AFTER: Final = 2
"""A result counts for so many times the interval of its check."""


class State(StrEnum):
    """Where a control, or a check, stands."""

    PASS = "pass"  # noqa: S105  # of a control
    FAIL = "fail"
    ERROR = "error"
    STALE = "stale"
    ATTESTED = "attested"
    LAPSED = "attestation_lapsed"
    EXCEPTION = "exception"
    NOT_APPLICABLE = "not_applicable"


WORDS: Final = {
    State.PASS: "Passes",
    State.FAIL: "Fails",
    State.ERROR: "Could not run",
    State.STALE: "Out of date",
    State.ATTESTED: "Attested",
    State.LAPSED: "Signature needed",
    State.EXCEPTION: "Exception",
    State.NOT_APPLICABLE: "Does not apply",
}
CREDIT: Final = {State.PASS: 1.0, State.ATTESTED: 1.0, State.EXCEPTION: 0.5}
"""The others are worth nothing."""
KEPT: Final = frozenset({State.PASS, State.ATTESTED})
_WORST: Final = (State.FAIL, State.ERROR, State.STALE)


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest result of a check by the moment."""

    state: str
    at: datetime
    digest: str


@dataclass(frozen=True, slots=True)
class CheckStand:
    key: str
    state: State
    at: datetime | None
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One control. `attested` is until when somebody's word stands for it, None without one."""

    control: str
    state: State
    gate: bool
    weight: int
    checks: tuple[CheckStand, ...]
    attested: datetime | None = None
    proposed: bool = False

    @property
    def credit(self) -> float:
        return CREDIT.get(self.state, 0.0)


@dataclass(frozen=True, slots=True)
class Score:
    """`value` is 0 to 100 to one decimal, rounded down; `readiness` the same for the rows of the proposed rule.

    `coverage` is the percentage of checks with a result that counts. `oldest` is the oldest of these results.
    """

    at: datetime
    value: float
    uncapped: float
    readiness: float
    coverage: float
    checks: int
    checks_known: int
    oldest: datetime | None
    failing_gates: tuple[str, ...]
    catalogue: str
    code_version: str
    rows: tuple[Row, ...]

    @property
    def compliant(self) -> bool:
        return not self.failing_gates

    @property
    def by_state(self) -> dict[str, int]:
        counted = Counter(str(row.state) for row in self.rows)
        return {str(state): counted[state] for state in State}

    def as_dict(self) -> dict[str, Any]:
        """For JSON: times in ISO 8601, states as words."""
        return {
            "at": self.at.isoformat(),
            "score": self.value,
            "uncapped": self.uncapped,
            "compliant": self.compliant,
            "failing_gates": list(self.failing_gates),
            "readiness": self.readiness,
            "coverage": self.coverage,
            "oldest_evidence": self.oldest.isoformat() if self.oldest else None,
            "rows_by_state": self.by_state,
            "catalogue_sha256": self.catalogue,
            "code_version": self.code_version,
            "rows": [_plain(asdict(row)) for row in self.rows],
        }


def score(
    catalogue: Catalogue,
    *,
    seen: Mapping[str, Seen],
    attested: Mapping[str, datetime],
    accepted: Mapping[str, str],
    at: datetime,
    code_version: str = "",
) -> Score:
    """How the installation stands at the moment `at`.

    `seen`: the newest result by check; `attested`: until when an attestation holds, by control; `accepted`: the kind of
    the exception in force, by control. What is younger than `at` is taken for nothing, as after a clock was set back.
    """
    rows = tuple(_row(control, seen, attested, accepted, at) for control in catalogue.controls)
    scored = [row for row in rows if not row.proposed]
    ahead = [row for row in rows if row.proposed]
    uncapped = _average(scored)
    gates = tuple(row.control for row in scored if row.gate and row.state not in KEPT)
    stands = [stand for row in rows for stand in row.checks]
    known = [stand for stand in stands if stand.state in {State.PASS, State.FAIL}]
    return Score(
        at=at,
        value=min(uncapped, CAP) if gates else uncapped,
        uncapped=uncapped,
        readiness=_average(ahead),
        coverage=_down(100 * len(known) / len(stands)) if stands else 0.0,
        checks=len(stands),
        checks_known=len(known),
        oldest=min((stand.at for stand in known if stand.at), default=None),
        failing_gates=gates,
        catalogue=catalogue.sha256,
        code_version=code_version,
        rows=rows,
    )


def _row(
    control: Control,
    seen: Mapping[str, Seen],
    attested: Mapping[str, datetime],
    accepted: Mapping[str, str],
    at: datetime,
) -> Row:
    stands = tuple(_stand(check.key, check.minutes, seen.get(check.key), at) for check in control.checks)
    until = attested.get(control.id)
    signed = until is not None and until > at
    kind = accepted.get(control.id)
    state = _state(control, stands, signed=signed, accepted=kind)
    return Row(
        control=control.id,
        state=state,
        gate=control.gate,
        weight=control.weight,
        checks=stands,
        attested=until if signed else None,
        proposed=control.kind is Kind.PROPOSED,
    )


def _stand(key: str, minutes: int, last: Seen | None, at: datetime) -> CheckStand:
    if last is None or last.at > at:
        return CheckStand(key, State.ERROR, None)
    state = State(last.state)
    if at - last.at > STALE_AFTER * timedelta(minutes=minutes):
        state = State.STALE
    return CheckStand(key, state, last.at, last.digest)


def _state(control: Control, stands: tuple[CheckStand, ...], *, signed: bool, accepted: str | None) -> State:
    if control.mode is Mode.NOT_APPLICABLE:
        return State.NOT_APPLICABLE if accepted == "not_applicable" else State.LAPSED
    state = _of_checks(control, stands)
    if state is State.PASS and control.mode in {Mode.HYBRID, Mode.ATTESTATION} and not signed:
        state = State.LAPSED
    if state is State.PASS and control.mode is Mode.ATTESTATION:
        return State.ATTESTED
    if state is not State.PASS and accepted == "exception" and not control.gate:
        return State.EXCEPTION
    return state


def _of_checks(control: Control, stands: tuple[CheckStand, ...]) -> State:
    if not stands:
        return State.PASS if control.mode is Mode.ATTESTATION else State.ERROR
    there = {stand.state for stand in stands}
    return next((state for state in _WORST if state in there), State.PASS)


def _average(rows: list[Row]) -> float:
    counted = [row for row in rows if row.state is not State.NOT_APPLICABLE]
    weight = sum(row.weight for row in counted)
    return _down(100 * sum(row.weight * row.credit for row in counted) / weight) if weight else 0.0


def _down(value: float) -> float:
    """To one decimal, never upwards: 94.96 is not 95."""
    return math.floor(value * 10 + 1e-9) / 10


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, StrEnum) else value
