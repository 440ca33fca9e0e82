"""`make_secrets.py`: each file for its reader alone, made once, in a form the settings and PostgreSQL accept."""

from __future__ import annotations

import base64
import hmac
import os
import runpy
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clinchat import env
from compliance.audit import signing as audit_keys
from tests.deploy.reading import ROOT, Compose

SCRIPT = ROOT / "deploy" / "make_secrets.py"
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other accounts")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)


@root_only
def test_what_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resolved: Compose, settings: Any) -> None:
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
    for name in ("secret_key", "sealing_key", "index_key", "certificate_key"):
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.setenv(f"{name.upper()}_FILE", str(files[name]))
    assert len(env.secret("SECRET_KEY")) >= 50
    assert len({env.key("SEALING_KEY"), env.key("INDEX_KEY")}) == 2
    monkeypatch.setenv("REDIS_PASSWORD_FILE", str(files["redis_password"]))
    secret = env.password("REDIS_PASSWORD")
    assert files["redis_config"].read_text() == f"requirepass {secret}\n"
    assert len(secret) >= 32
    assert env.with_password("redis://redis:6379/0", secret) == f"redis://:{secret}@redis:6379/0"
    password = files["database_password"].read_text().strip()
    assert files["pgpass"].read_text() == f"db:5432:clinchat:clinchat:{password}\n"
    owner = files["database_owner_password"].read_text().strip()
    assert owner != password
    assert files["pgpass_owner"].read_text() == f"db:5432:*:clinchat_owner:{owner}\n"
    settings.AUDIT_SIGNING_KEY_FILE = str(files["audit_signing_key"])
    settings.AUDIT_PUBLIC_KEYS_FILE = str(files["audit_public_keys"])
    assert audit_keys.key_id(audit_keys.private_key().public_key().public_bytes_raw()) in audit_keys.public_keys()
    assert all(path.read_text().strip() not in done.stdout for path in files.values())


@root_only
def test_what_is_there_stays(tmp_path: Path) -> None:
    run(str(tmp_path))
    before = {path: path.read_text() for path in tmp_path.iterdir()}
    (tmp_path / "secret_key").unlink()
    run(str(tmp_path))
    after = {path: path.read_text() for path in tmp_path.iterdir()}
    assert {path for path in after if after[path] != before.get(path)} == {tmp_path / "secret_key"}


@root_only
def test_an_installation_of_before_keeps_its_equal_values(tmp_path: Path) -> None:
    key = os.urandom(32)
    (tmp_path / "sealing_key").write_bytes(base64.b64encode(key) + b"\n")
    run(str(tmp_path))
    assert base64.b64decode((tmp_path / "index_key").read_text()) == hmac.digest(key, b"index", "sha256")
    other = tmp_path / "new"
    run(str(other))
    made = base64.b64decode((other / "sealing_key").read_text())
    assert base64.b64decode((other / "index_key").read_text()) != hmac.digest(made, b"index", "sha256")


@root_only
def test_a_new_sealing_key_stands_in_front_in_the_very_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(str(tmp_path))
    path = tmp_path / "sealing_key"
    before, was = path.read_text(), path.stat()
    done = run(str(tmp_path), "--new-sealing-key")
    assert done.returncode == 0, done.stderr
    assert path.read_text().endswith(f"\n{before}")
    now = path.stat()
    assert (now.st_ino, now.st_mode, now.st_uid) == (was.st_ino, was.st_mode, was.st_uid)
    monkeypatch.delenv("SEALING_KEY", raising=False)
    monkeypatch.setenv("SEALING_KEY_FILE", str(path))
    assert len(set(env.keys("SEALING_KEY"))) == 2
    assert not {line for line in path.read_text().split() if line in done.stdout}


@root_only
def test_the_public_halves_of_earlier_signing_keys_stay(tmp_path: Path) -> None:
    run(str(tmp_path))
    keys = tmp_path / "audit_public_keys"
    first = keys.read_text()
    (tmp_path / "audit_signing_key").rename(tmp_path / "audit_signing_key.old")
    done = run(str(tmp_path))
    assert done.stdout.split() == ["made", str(tmp_path / "audit_signing_key"), "made", str(keys)]
    assert keys.read_text().startswith(first)
    assert len(keys.read_text().split()) == 2
    (tmp_path / "audit_public_keys").unlink()
    run(str(tmp_path))
    assert keys.read_text().split() == [base64.b64encode(_public_half(tmp_path / "audit_signing_key")).decode()]


@pytest.mark.parametrize("seed", [bytes(32), bytes([255] * 32), *(sha256(bytes([n])).digest() for n in range(20))])
def test_the_public_half_is_the_one_of_ed25519(seed: bytes) -> None:
    expected = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    assert runpy.run_path(str(SCRIPT))["public_half"](seed) == expected


def test_nothing_but_the_standard_library_is_needed(tmp_path: Path) -> None:
    code = f"import runpy; runpy.run_path({str(SCRIPT)!r})['public_half'](bytes(32))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def _public_half(path: Path) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(path.read_text())).public_key().public_bytes_raw()


def test_it_says_how_it_is_called() -> None:
    done = run()
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
