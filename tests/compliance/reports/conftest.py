"""Fixtures around one bundle that all tests read. What needs the models is imported when it is used."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.test import override_settings

if TYPE_CHECKING:
    from tests.compliance.reports.making import Made, Verify


@pytest.fixture(scope="session")
def made(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A bundle of last month and this one."""
    from compliance.audit import seal
    from tests.compliance.reports import making

    folder = tmp_path_factory.mktemp("made")
    with django_db_blocker.unblock(), override_settings(AUDIT_CHECKPOINT_FILES=[str(folder / "checkpoints.jsonl")]):
        try:
            making.make_month(month := making.the_month())
            seal.seal_all()
            written = making.make_bundle(folder / "bundle.zip", documents=True)
            return making.Made(month, (folder / "bundle.zip").read_bytes(), written)
        finally:
            call_command("flush", interactive=False, verbosity=0)


@pytest.fixture
def zipped(made: Made, tmp_path: Path) -> Path:
    path = tmp_path / "bundle.zip"
    path.write_bytes(made.zip)
    return path


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    from compliance.audit import signing

    path = tmp_path / "keys-from-the-hospital.txt"
    path.write_bytes(b"".join(base64.b64encode(public) + b"\n" for public in signing.public_keys().values()))
    return path


@pytest.fixture(scope="module")
def verifier(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    from tests.compliance.reports import making

    folder = tmp_path_factory.mktemp("outside")
    (folder / "bundle.zip").write_bytes(made.zip)
    before, bytecode = sys.path[:], sys.dont_write_bytecode
    yield making.program(making.unpack_programs(folder / "bundle.zip", folder))
    sys.path[:], sys.dont_write_bytecode = before, bytecode
    for name in ("verify", "ed25519"):
        sys.modules.pop(name, None)


@pytest.fixture
def verify(verifier: ModuleType, keys: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Verify:
    def run(path: Path, public: Path = keys) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["verify_controls.py", str(path), "--public-keys", str(public)])
        try:
            code = verifier.main()
        except SystemExit as stopped:
            code = stopped.code
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run
