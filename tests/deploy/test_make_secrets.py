"""`make_secrets.py`: each file for its reader alone, made once, in a form the settings and PostgreSQL accept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clinchat import env
from tests.deploy.reading import ROOT, Compose

SCRIPT = ROOT / "deploy" / "make_secrets.py"
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other accounts")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)


@root_only
def test_what_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resolved: Compose) -> None:
    folder = tmp_path / "clinchat"
    done = run(str(folder))
    assert done.returncode == 0, done.stderr
    files = {path.name: path for path in folder.iterdir()}
    assert set(files) == {name for name in resolved["secrets"] if not name.startswith("tls_")}
    owners = {name: service["user"].partition(":")[0] for name, service in resolved["services"].items()}
    for reader, service in resolved["services"].items():
        for mount in service.get("secrets", []):
            if path := files.get(mount["source"]):
                assert (path.stat().st_mode & 0o777, str(path.stat().st_uid)) == (0o400, owners[reader]), path.name
    for name in ("secret_key", "sealing_key"):
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.setenv(f"{name.upper()}_FILE", str(files[name]))
    assert len(env.secret("SECRET_KEY")) >= 50
    assert len(env.key("SEALING_KEY")) == 32
    password = files["database_password"].read_text().strip()
    assert files["pgpass"].read_text() == f"db:5432:clinchat:clinchat:{password}\n"
    assert all(path.read_text().strip() not in done.stdout for path in files.values())


@root_only
def test_what_is_there_stays(tmp_path: Path) -> None:
    run(str(tmp_path))
    before = {path: path.read_text() for path in tmp_path.iterdir()}
    (tmp_path / "secret_key").unlink()
    run(str(tmp_path))
    after = {path: path.read_text() for path in tmp_path.iterdir()}
    assert {path for path in after if after[path] != before.get(path)} == {tmp_path / "secret_key"}


def test_it_says_how_it_is_called() -> None:
    done = run()
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
