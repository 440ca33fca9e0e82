"""What all checks are tried with."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some checks look at the folder of temporary files: in the real one are those of tests that run meanwhile."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
