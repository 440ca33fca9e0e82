"""The score of a month: at its end, from week to week, and what became better or worse."""

from __future__ import annotations

from datetime import timedelta

from compliance.controls import standing
from compliance.controls.scoring import WORDS, Score, State
from compliance.reports.sections import Cell, Period, Section, month_of

BOARD = "/compliance/"


def fill(section: Section, period: Period) -> None:
    before = month_of(period.start.date() - timedelta(days=1))
    moments = [period.start + timedelta(days=7 * week) for week in range(5)]
    moments = [before.last, *(one for one in moments if period.start < one < period.last), period.last]
    was, *meanwhile, found = standing.as_of(moments)
    section.fact("Score at the end", found.value, BOARD)
    section.fact("Score without the cap of failing gates", found.uncapped, BOARD)
    section.fact("Change to the month before", round(found.value - was.value, 1), BOARD)
    section.fact("Readiness for the proposed rule", found.readiness, BOARD)
    section.fact("Compliant: every gate is kept", "Yes" if found.compliant else "No", BOARD)
    section.fact("Checks with a result that counts", f"{found.checks_known} of {found.checks}", BOARD)
    section.fact("Catalogue, SHA-256", found.catalogue)
    section.fact("Score with its rows, SHA-256", standing.digest(found))
    if not found.compliant:
        section.note(f"Gates not kept at the end: {', '.join(found.failing_gates)}.")
    section.line(
        "Score from the month before to the end of this one",
        "Score",
        [(f"{one.at:%b} {one.at.day}", one.value) for one in (was, *meanwhile, found)],
        first="By",
    )
    section.bars(
        "Controls by state at the end",
        ["Controls"],
        [(WORDS[State(state)], [number]) for state, number in found.by_state.items()],
        first="State",
    )
    section.table(
        "Controls that changed since the month before",
        ["Control", "Before", "At the end"],
        _changed(was, found),
        none="No control changed its state.",
    )


def _changed(was: Score, found: Score) -> list[list[Cell]]:
    before = {row.control: row.state for row in was.rows}
    return [
        [row.control, WORDS[before[row.control]] if row.control in before else "Was not there", WORDS[row.state]]
        for row in found.rows
        if before.get(row.control) is not row.state
    ]
