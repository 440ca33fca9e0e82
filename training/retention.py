"""How long the records of this app are kept: for good."""

from __future__ import annotations

from compliance.continuity.own_retention import DOCUMENTED
from compliance.continuity.retention import FOR_GOOD_YEARS, Rule, rule


def register() -> None:
    rule(
        _for_good(
            "training",
            "Training, tests and certificates",
            *("moduleversion", "enrolment", "lessonread", "attempt", "answer", "certificate"),
        ),
        _for_good("approvals", "Requests for access and who decided", "accessrequest", "stagedecision", "delegation"),
    )


def _for_good(key: str, name: str, *tables: str) -> Rule:
    return Rule(
        key=key,
        name=name,
        source=DOCUMENTED,
        years=FOR_GOOD_YEARS,
        tables=tuple(f"training_{table}" for table in tables),
    )
