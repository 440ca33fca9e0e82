"""Passkeys are bound to one domain for good, and to its https addresses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from clinchat import env

HOSTS = ["10.0.0.5", "[::1]", "*", "ClinChat.hospital.example", "intranet"]


@pytest.mark.parametrize(
    ("named", "hosts", "domain"),
    [
        ("", HOSTS, "clinchat.hospital.example"),
        ("Hospital.example", HOSTS, "hospital.example"),
        ("", ["127.0.0.1", "localhost"], "localhost"),
        ("", ["10.0.0.5"], "localhost"),
        ("", [], "localhost"),
    ],
)
def test_domain(monkeypatch: pytest.MonkeyPatch, named: str, hosts: list[str], domain: str) -> None:
    monkeypatch.setenv("CLINCHAT_PASSKEY_DOMAIN", named)
    assert env.domain("CLINCHAT_PASSKEY_DOMAIN", candidates=hosts) == domain


@pytest.mark.parametrize(
    "wrong", ["https://a.example", "a.example:8443", "10.0.0.5", "[::1]", "a..example", "*.example"]
)
def test_what_is_no_domain_stops_the_process(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("CLINCHAT_PASSKEY_DOMAIN", wrong)
    with pytest.raises(ImproperlyConfigured, match="CLINCHAT_PASSKEY_DOMAIN must be a domain"):
        env.domain("CLINCHAT_PASSKEY_DOMAIN", candidates=[])


def test_origins_are_the_domains_own() -> None:
    key = b64encode(bytes(32)).decode()
    given = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1/none",
        "REDIS_URL": "redis://127.0.0.1",
        "SECRET_KEY": key,
        "SEALING_KEY": key,
        "INDEX_KEY": key,
        "CERTIFICATE_KEY": key,
        "CLINCHAT_HOSTS": "10.0.0.5,clinchat.hospital.example",
        "CLINCHAT_ORIGINS": "https://clinchat.hospital.example:8443,https://evil.example,"
        "https://notclinchat.hospital.example,http://clinchat.hospital.example",
    }
    code = (
        "import json; from clinchat import settings as s; "
        "print(json.dumps([s.OTP_WEBAUTHN_RP_ID, s.OTP_WEBAUTHN_ALLOWED_ORIGINS]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], **given},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    domain, origins = json.loads(done.stdout)
    assert domain == "clinchat.hospital.example"
    assert origins == ["https://clinchat.hospital.example", "https://clinchat.hospital.example:8443"]
