"""Where the services live: plain, short addresses whatever the folder is called, and nothing started to know them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clinchat.local import database_url, paths, redis_url
from clinchat.local.paths import ROOT


def test_addresses_point_into_var(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLINCHAT_VAR", "/srv/clinchat")
    assert database_url() == "postgresql:///clinchat?host=/srv/clinchat/run/pg&user=clinchat"
    assert redis_url() == "unix:///srv/clinchat/run/redis.sock?db=0"
    monkeypatch.setenv("CLINCHAT_VAR", "")
    assert paths().var == ROOT / "var"
    monkeypatch.setenv("CLINCHAT_VAR", str(tmp_path / "var"))
    database_url()
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize("name", ["x" * 90, "with space", "a,b", "50%", "żółw"])
def test_a_path_a_socket_cannot_have_falls_back_to_a_short_one(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("CLINCHAT_VAR", f"/srv/{name}")
    first = paths()
    assert first.run.parent == Path("/tmp")
    assert len(str(first.pg_socket_dir / ".s.PGSQL.5432")) <= 103
    assert first.pgdata == Path(f"/srv/{name}/pgdata")
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    assert paths() == first, "another TMPDIR must not hide the running services"
    monkeypatch.setenv("CLINCHAT_VAR", f"/srv/{name}2")
    assert paths().run != first.run


def test_importing_it_is_cheap() -> None:
    heavy = "{'django', 'psycopg', 'redis', 'celery', 'asyncio'}"
    code = f"import sys, clinchat.local; print({heavy} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"
