"""Without the keys of sealed values nothing is taken in and nothing shown; with wrong settings nothing starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chat.models import Conversation, Turn
from compliance.models import VaultEntry
from tests import cast
from tests.lib import rings

ROOT = Path(__file__).parents[2]
QUESTION = "Can Zebulon Quixworth, MRN 12345678, take warfarin?"


@pytest.mark.django_db
def test_a_question_is_refused_and_nothing_of_it_stays(
    client: Client, tmp_path: Path, settings: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    ring = rings.use_file(settings, tmp_path / "sealing_key")
    cast.sign_in(client, cast.alice())
    client.raise_request_exception = False
    ring.rename(tmp_path / "elsewhere")
    answer = client.post(reverse("ask"), {"question": QUESTION, "submission": str(uuid.uuid4())})
    assert answer.status_code == 503
    assert "not available right now" in answer.content.decode()
    assert not VaultEntry.objects.exists()
    assert not Turn.objects.exists()
    assert not Conversation.objects.exists()
    logged = [json.loads(line) for line in capfd.readouterr().err.splitlines() if '"KEYS_LOST"' in line]
    assert len(logged) == 1
    assert "Quixworth" not in str(logged)
    (tmp_path / "elsewhere").rename(ring)
    answer = client.post(reverse("ask"), {"question": QUESTION, "submission": str(uuid.uuid4())})
    assert answer.status_code == 302
    assert VaultEntry.objects.exists()


GOOD_VAULT = {
    "CLINCHAT_KEYS": "vault",
    "CLINCHAT_VAULT_ADDR": "https://vault.example",
    "CLINCHAT_VAULT_TOKEN_FILE": "/run/token",
}
ARN = "arn:aws:kms:eu-central-1:123456789012:key/1"
LDAP = {"CLINCHAT_LDAP_URL": "ldaps://ldap.example", "CLINCHAT_LDAP_BASE": "dc=example"}
OIDC = {
    "CLINCHAT_OIDC_ISSUER": "https://id.example",
    "CLINCHAT_OIDC_CLIENT_ID": "x",
    "CLINCHAT_OIDC_CLIENT_SECRET": "y",
}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (GOOD_VAULT, ""),
        ({"CLINCHAT_KEYS": "kms", "CLINCHAT_KMS_KEYS": ARN}, ""),
        (LDAP | OIDC, ""),
        ({"CLINCHAT_KEYS": "paper"}, "CLINCHAT_KEYS"),
        ({"CLINCHAT_KEYS": "file"}, "SEALING_KEY"),
        (GOOD_VAULT | {"CLINCHAT_VAULT_ADDR": "http://vault.example"}, "CLINCHAT_VAULT_ADDR"),
        (GOOD_VAULT | {"CLINCHAT_VAULT_TOKEN_FILE": ""}, "CLINCHAT_VAULT_TOKEN_FILE"),
        ({"CLINCHAT_KEYS": "kms", "CLINCHAT_KMS_KEYS": "alias/clinchat"}, "CLINCHAT_KMS_KEYS"),
        ({"CLINCHAT_KEYS": "kms"}, "CLINCHAT_KMS_KEYS"),
        (LDAP | {"CLINCHAT_LDAP_URL": "http://ldap.example"}, "CLINCHAT_LDAP_URL"),
        (LDAP | {"CLINCHAT_LDAP_BASE": ""}, "CLINCHAT_LDAP_BASE"),
        (LDAP | {"CLINCHAT_LDAP_USER_FILTER": "(mail=*)"}, "CLINCHAT_LDAP_USER_FILTER"),
        (LDAP | {"CLINCHAT_LDAP_BIND_PASSWORD_FILE": "/nowhere"}, "CLINCHAT_LDAP_BIND_PASSWORD"),
        (OIDC | {"CLINCHAT_OIDC_ISSUER": "http://id.example"}, "CLINCHAT_OIDC_ISSUER"),
        (OIDC | {"CLINCHAT_OIDC_CLIENT_SECRET": ""}, "CLINCHAT_OIDC_CLIENT_SECRET"),
    ],
)
def test_what_cannot_work_stops_the_start(given: dict[str, str], named: str) -> None:
    key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    env = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": "postgresql://clinchat@db.example/clinchat",
        "REDIS_URL": "redis://redis.example/0",
        "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQR",
        "INDEX_KEY": key,
        "CERTIFICATE_KEY": key,
        **({} if "CLINCHAT_KEYS" in given else {"SEALING_KEY": key}),
        **given,
    }
    done = subprocess.run(
        [sys.executable, "-c", "import clinchat.settings"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) is (not named), done.stderr
    assert named in done.stderr.strip().rpartition("\n")[2]
