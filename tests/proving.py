"""That a check can fail: it passes, its mutation turns it red, and it recovers when the mutation is taken back.

With MUTATIONS_RECORD set to a file, each check that was caught is written there: `make mutations` keeps the record
that the check compliance.checks_can_fail reads.
"""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager
from pathlib import Path

from compliance.controls import running
from compliance.models import ControlResult

State = ControlResult.State


def look(key: str) -> ControlResult:
    """The check, made once as the schedule makes it."""
    return running.run([key])[0]


def proven(key: str, breaking: AbstractContextManager[object]) -> ControlResult:
    """The check passes, fails while it is broken, and passes again; returns what it said while it failed."""
    before = look(key)
    assert before.state == State.PASS, f"{key} does not pass to begin with: {before.observed} {before.failing}"
    with breaking:
        broken = look(key)
        assert broken.state == State.FAIL, f"{key} was not turned red: {broken.state}, {broken.observed}"
    after = look(key)
    assert after.state == State.PASS, f"{key} does not recover: {after.observed} {after.failing}"
    if record := os.environ.get("MUTATIONS_RECORD"):
        with Path(record).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"check": key}) + "\n")
    return broken
