"""Fixtures around bundles of the audit trail. What needs the models is imported when it is used."""

from __future__ import annotations

import base64
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.test import override_settings

if TYPE_CHECKING:
    from tests.compliance.bundles import Made, Outsider, Verify


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """One trail for all tests that only read its bundle."""
    from tests.compliance import bundles

    folder = tmp_path_factory.mktemp("made")
    with django_db_blocker.unblock(), override_settings(AUDIT_CHECKPOINT_FILES=[str(folder / "checkpoints.jsonl")]):
        try:
            bundles.make_trail()
            assert bundles.make_bundle(folder / "all.zip").damaged == ()
            return bundles.Made((folder / "all.zip").read_bytes(), (folder / "checkpoints.jsonl").read_bytes())
        finally:
            call_command("flush", interactive=False, verbosity=0)


@pytest.fixture
def zipped(made: Made, tmp_path: Path) -> Path:
    path = tmp_path / "all.zip"
    path.write_bytes(made.zip)
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    from compliance.audit import signing

    path = tmp_path / "keys-from-the-hospital.txt"
    keys = signing.public_keys().values()
    path.write_bytes(b"# by phone\n\n" + b"".join(base64.b64encode(public) + b"\n" for public in keys))
    return path


@pytest.fixture
def trail(settings: Any, tmp_path: Path) -> None:
    from tests.compliance.bundles import make_trail

    settings.AUDIT_CHECKPOINT_FILES = [str(tmp_path / "checkpoints.jsonl")]
    make_trail()


@pytest.fixture
def outsider(tmp_path: Path) -> Outsider:
    from tests.compliance import bundles

    return bundles.Outsider(tmp_path / "outside")


@pytest.fixture(scope="module")
def verifier() -> Iterator[ModuleType]:
    """verify.py in this process, for cases by the hundred."""
    from tests.compliance.bundles import STANDALONE

    spec = importlib.util.spec_from_file_location("standalone_verify", STANDALONE / "verify.py")
    assert spec is not None
    assert spec.loader is not None
    before, bytecode = sys.path[:], sys.dont_write_bytecode
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path[:], sys.dont_write_bytecode = before, bytecode
    yield module
    sys.modules.pop("ed25519")


@pytest.fixture
def verify(verifier: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Verify:
    def run(*words: str | Path) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["verify.py", *map(str, words)])
        try:
            code = verifier.main()
        except SystemExit as stopped:
            code = stopped.code
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run
