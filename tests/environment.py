"""Loaded before pytest-django reads the settings: the tests use their own var/, not that of a running portal."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from pathlib import Path

OURS = (
    "CLINCHAT_",
    "DATABASE_",
    "REDIS_",
    "SECRET_KEY",
    "SEALING_KEY",
    "INDEX_KEY",
    "CERTIFICATE_KEY",
    "BACKUP_KEY",
    "AUDIT_",
)
for name in [n for n in os.environ if n.startswith(OURS)]:
    if name != "CLINCHAT_TEST_VAR":
        del os.environ[name]
var = os.environ.get("CLINCHAT_TEST_VAR") or str(Path(tempfile.gettempdir()) / "clinchat-tests")
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
os.environ["CLINCHAT_VAR"] = var + WORKER  # servers of its own for each process
gc.set_threshold(50_000, 20, 20)  # a million objects are loaded and stay: looking at them was a tenth of all time
# Where Python is told to keep no bytecode, as in a container, each of the processes that tests start compiled us anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright keeps an event loop in the main thread

import pytest

from clinchat import local


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Before Django is set up. The process that only hands out tests to others needs no servers."""
    if WORKER or not getattr(early_config.known_args_namespace, "numprocesses", None):
        local.ensure_services()
        (local.paths().var / "static").mkdir(exist_ok=True)  # WhiteNoise warns when it is missing
