"""How long the records of this app are kept: for good."""

from __future__ import annotations

from compliance.continuity.deletion.retention import for_good, rule


def register() -> None:
    rule(
        for_good(
            "training",
            "training",
            "Training, tests and certificates",
            *("moduleversion", "enrolment", "lessonread", "attempt", "answer", "certificate"),
        ),
        for_good(
            "training",
            "approvals",
            "Requests for access and who decided",
            *("accessrequest", "stagedecision", "delegation"),
        ),
    )
