"""What the tests of deploy/ share."""

from __future__ import annotations

import json

import pytest

from tests.deploy.reading import ROOT, Compose, compose


@pytest.fixture(scope="session")
def resolved() -> Compose:
    """The file with the values of the example, every anchor and default filled in."""
    done = compose("--env-file", str(ROOT / "deploy" / "compose.env.example"), "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    found: Compose = json.loads(done.stdout)
    assert len(found["services"]) >= 8
    return found
