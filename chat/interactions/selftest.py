"""Whether a table answers as it must before it is asked for a patient. Quick enough for the start of every process."""

from __future__ import annotations

from typing import Final

from chat.interactions.check import check_entries
from chat.interactions.table import Table
from chat.interactions.types import Severity

KNOWN: Final = (
    (("warfarin", "amiodarone"), Severity.MAJOR),
    (("Coumadin 5 mg PO daily", "Bactrim DS"), Severity.MAJOR),
    (("simvastatin", "clarithromycin"), Severity.CONTRAINDICATED),
    (("sildenafil", "nitroglycerin"), Severity.CONTRAINDICATED),
    (("linezolid", "sertraline"), Severity.MAJOR),
    (("atorvastatin", "metformin"), None),
)
"""Pairs that no release may lose, and one that none may invent."""


def failures(table: Table) -> tuple[str, ...]:
    """What is wrong, each in a few words; none: the table is sound."""
    wrong = []
    if table.pairs != table.release.manifest["pairs"]["rows"]:
        wrong.append("the number of pairs")
    onc = [table.interaction(b, a) for a, b, _ in table.onc_pairs()]
    if not onc or any(one is None or one.severity.rank < Severity.MAJOR.rank for one in onc):
        wrong.append("the ONC high-priority pairs")
    for entries, least in KNOWN:
        for order in (entries, entries[::-1]):
            report = check_entries(table, order)
            gravest = report.found[0].severity.rank if report.found else 0
            as_known = gravest >= least.rank if least else gravest == 0
            if report.not_recognised or not as_known:
                wrong.append(" with ".join(order))
    return tuple(wrong)


def same_pairs(table: Table) -> bool:
    """Whether the table gives every pair with the words it was made from, by their SHA-256. Takes a second or two."""
    from chat.interactions import release

    return bool(release.digest(table.rows()) == table.release.manifest["pairs"]["sha256"])
