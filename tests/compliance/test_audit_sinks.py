"""Where checkpoints go besides files: the log stream and syslog. And what is said of keys and sinks that are wrong."""

from __future__ import annotations

import io
import json
import logging
import socket
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from clinchat import env
from compliance import checks, tasks
from compliance.audit import checkpoints
from compliance.logs import lines
from compliance.logs.state import state
from compliance.models import Seal

STATEMENT = json.dumps(
    {"number": 1234567, "horizon": "7551234567", "root": "12" * 32, "sealed_at": "2026-11-21T14:17:18.847216+00:00"}
)
SEAL = Seal(number=1234567, statement=STATEMENT.encode(), signature=bytes(range(64)), key_id="ab" * 8)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setattr(checkpoints, "_told", (0, -1000.0))
    settings.AUDIT_CHECKPOINT_FILES = []
    settings.AUDIT_CHECKPOINT_SYSLOG = ""


def test_a_line_of_the_log_is_a_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is, with every number in it, although messages are masked."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    handler.setFormatter(lines.JsonLines())
    monkeypatch.setattr(state, "masker", True)
    monkeypatch.setattr(logging.getLogger("clinchat.audit"), "handlers", [handler])
    checkpoints.anchor(SEAL)
    found = checkpoints.parse(said.getvalue().encode())
    assert found is not None
    assert found == checkpoints.parse(checkpoints.line(SEAL).encode())
    assert (found.statement, found.signature, found.key) == (STATEMENT.encode(), SEAL.signature, SEAL.key_id)
    assert "\n" not in said.getvalue().rstrip("\n")


@pytest.mark.parametrize("kind", ["udp", "socket"])
def test_syslog_gets_the_checkpoint(tmp_path: Path, settings: Any, kind: str) -> None:
    family = socket.AF_INET if kind == "udp" else socket.AF_UNIX
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.settimeout(5)
        server.bind(("127.0.0.1", 0) if kind == "udp" else str(tmp_path / "log"))
        settings.AUDIT_CHECKPOINT_SYSLOG = server.getsockname()
        checkpoints.anchor(SEAL)
        priority, _, text = server.recv(8192).partition(b"clinchat.audit: ")
    assert priority == b"<86>"
    assert checkpoints.parse(text) == checkpoints.parse(checkpoints.line(SEAL).encode())


@pytest.mark.parametrize("where", ["/nowhere/log", ("no-such-host.invalid", 514)])
def test_a_syslog_that_is_away_holds_nothing_up(
    settings: Any, tmp_path: Path, where: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.AUDIT_CHECKPOINT_SYSLOG = where
    settings.AUDIT_CHECKPOINT_FILES = [str(tmp_path / "audit.jsonl")]
    checkpoints.anchor(SEAL)
    assert "checkpoint not sent to syslog" in caplog.text
    assert (tmp_path / "audit.jsonl").read_text().count("\n") == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ""),
        ("/dev/log", "/dev/log"),
        ("log.example:514", ("log.example", 514)),
        ("[fd00::1]:514", ("fd00::1", 514)),
    ],
)
def test_the_address_of_syslog(monkeypatch: pytest.MonkeyPatch, value: str, expected: object) -> None:
    monkeypatch.setenv("AUDIT_CHECKPOINT_SYSLOG", value)
    assert env.address("AUDIT_CHECKPOINT_SYSLOG") == expected


@pytest.mark.parametrize("value", ["log.example", ":514", "log.example:", "log.example:0", "log.example:99999", "a:b"])
def test_an_address_that_is_none_stops_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("AUDIT_CHECKPOINT_SYSLOG", value)
    with pytest.raises(ImproperlyConfigured, match="AUDIT_CHECKPOINT_SYSLOG must be"):
        env.address("AUDIT_CHECKPOINT_SYSLOG")


def test_the_checks_are_content_with_what_make_run_makes(settings: Any) -> None:
    settings.AUDIT_CHECKPOINT_FILES = ["audit.jsonl"]
    assert checks.audit_trail() == []


def test_what_the_checks_find(settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_SIGNING_KEY_FILE = str(tmp_path / "signing")
    settings.AUDIT_PUBLIC_KEYS_FILE = str(tmp_path / "public")
    assert [found.id for found in checks.audit_trail()] == ["compliance.E001", "compliance.E002", "compliance.E002"]
    for name, mode in (("signing", 0o604), ("public", 0o646)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    found = checks.audit_trail()
    assert [one.id for one in found] == ["compliance.E001", "compliance.E003", "compliance.E003"]
    assert found[1].hint == f"chmod 600 {tmp_path / 'signing'}"
    (tmp_path / "signing").chmod(0o400)
    (tmp_path / "public").chmod(0o644)
    settings.AUDIT_CHECKPOINT_FILES = ["audit.jsonl"]
    assert checks.audit_trail() == []


def test_a_process_needs_only_the_keys_it_is_given(settings: Any) -> None:
    settings.AUDIT_SIGNING_KEY_FILE = settings.AUDIT_PUBLIC_KEYS_FILE = ""
    settings.AUDIT_CHECKPOINT_FILES = ["audit.jsonl"]
    assert checks.audit_trail() == []


@pytest.mark.parametrize("task", [tasks.seal_events, tasks.verify_recent, tasks.verify_all])
def test_a_schedule_without_its_key_says_which(settings: Any, caplog: pytest.LogCaptureFixture, task: Any) -> None:
    settings.AUDIT_SIGNING_KEY_FILE = settings.AUDIT_PUBLIC_KEYS_FILE = ""
    task()
    assert "_FILE names no file" in caplog.text
