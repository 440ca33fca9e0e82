"""The checks of encryption and of every way data travels."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from django.db import connection, transaction
from django.test import override_settings

from chat import services
from clinchat.lib import sealed
from clinchat.lib.sealed_field import SealedField
from compliance.controls import discovery
from compliance.controls.checks import raw
from compliance.models import ControlResult, VaultEntry
from tests import certificates
from tests.breaking import instead
from tests.compliance.sealed_trail import sql
from tests.proving import look, proven

pytestmark = pytest.mark.django_db
State = ControlResult.State


# ── Nothing lies in clear ─────────────────────────────────────────────────────────────────────────────────────


def test_a_field_that_is_stored_in_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    ask = services.ask

    def listening(**given: Any) -> Any:
        said.append(given["text"])
        return ask(**given)

    monkeypatch.setattr(services, "ask", listening)
    found = proven("crypto.raw_scan", instead(services, "_title", lambda _: said[-1][:80]))
    assert "table chat_conversation" in found.failing
    assert any(one.startswith("file ") for one in found.failing), "its pages and its log hold it too"
    assert "uenby" not in str([found.observed, found.failing, found.evidence])


def test_fault_a_file_beside_the_database(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    place = Path(settings.VAR) / "log" / "app.log"
    kept = raw._take

    def talkative(trials: Any, phrase: raw.Phrase, looked: raw.Looked) -> None:
        kept(trials, phrase, looked)
        place.write_text(phrase.text)

    monkeypatch.setattr(raw, "_take", talkative)
    try:
        assert look("crypto.raw_scan").failing == ["file app.log"]
    finally:
        place.unlink()


def test_fault_what_is_left_in_redis(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    own = redis.Redis.from_url(settings.REDIS_URL)
    kept = raw._take

    def talkative(trials: Any, phrase: raw.Phrase, looked: raw.Looked) -> None:
        kept(trials, phrase, looked)
        own.xadd("canary:1", {"said": phrase.text})
        own.hset("canary:2", "said", phrase.word)

    monkeypatch.setattr(raw, "_take", talkative)
    try:
        assert sorted(look("crypto.raw_scan").failing) == ["Redis canary:1", "Redis canary:2"]
    finally:
        own.delete("canary:1", "canary:2")


def test_elsewhere_what_was_not_reached_is_named(settings: Any) -> None:
    settings.EMBEDDED = False
    found = look("crypto.raw_scan")
    assert (found.state, "files of the database" in found.evidence["not_reached"]) == (State.PASS, True)


# ── A value opens in its place ────────────────────────────────────────────────────────────────────────────────


def test_a_field_that_is_bound_to_nothing() -> None:
    found = proven("crypto.row_binding", instead(SealedField, "place", lambda *_: b""))
    assert "vault: value of another row" in found.failing


def test_fault_bound_to_the_column_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SealedField, "place", lambda self, _: self.column.encode())
    assert any(one.endswith(": another row") for one in look("crypto.row_binding").failing)


def test_fault_what_cannot_be_opened_comes_back_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = sealed.unseal

    def lenient(blob: bytes, *, aad: bytes) -> bytes:
        with suppress(sealed.Unsealable):
            return kept(blob, aad=aad)
        return b"?"

    monkeypatch.setattr(sealed, "unseal", lenient)
    assert {"vault: altered value", "vault: bytes that were never sealed"} <= set(look("crypto.row_binding").failing)


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_made_from_the_secret_key(settings: Any) -> None:
    derived = hashlib.sha256(settings.SECRET_KEY.encode()).digest()
    found = proven("crypto.key_hygiene", override_settings(INDEX_KEY=derived))
    assert found.failing == ["index key is made from SECRET_KEY"]


def test_fault_one_key_for_two_purposes(settings: Any) -> None:
    settings.CERTIFICATE_KEY = settings.INDEX_KEY
    assert look("crypto.key_hygiene").failing == ["certificate key and index key are one key"]


def test_fault_a_key_file_that_others_may_read(settings: Any) -> None:
    path = Path(settings.SEALING_KEY_PATH)
    path.chmod(0o644)
    try:
        assert look("crypto.key_hygiene").failing == ["sealing_key is open to others"]
    finally:
        path.chmod(0o600)


def test_fault_a_key_of_last_year(settings: Any) -> None:
    path = Path(settings.SEALING_KEY_PATH)
    found = path.stat()
    os.utime(path, (found.st_atime, time.time() - 366 * 86_400))
    try:
        assert look("crypto.key_hygiene").failing == ["the newest key is 366 days old"]
    finally:
        os.utime(path, (found.st_atime, found.st_mtime))


def test_fault_a_value_under_a_retired_key() -> None:
    row = VaultEntry.objects.create(scope=uuid.uuid4(), token="[NAME-1]", label="NAME", value="x", blind_index=b"0")
    assert look("crypto.key_hygiene").state == State.PASS
    sql("UPDATE compliance_vaultentry SET sealed = %s WHERE id = %s", sealed.head("0123456789abcdef") + b"\0", row.pk)
    assert look("crypto.key_hygiene").failing == ["1 values under key 0123456789abcdef"]
    sql("UPDATE compliance_vaultentry SET sealed = %s WHERE id = %s", b"in clear", row.pk)
    assert look("crypto.key_hygiene").failing == ["1 values under key none"]


def test_keys_of_which_no_age_is_known_are_no_pass(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = base64.b64encode(settings.SEALING_KEYS()[0]).decode()
    monkeypatch.setenv("SEALING_KEY", ring)
    settings.SEALING_KEY_PATH = None
    assert look("crypto.key_hygiene").state == State.ERROR


# ── On the way ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_database_without_tls() -> None:
    found = proven("tls.db", override_settings(EMBEDDED=False))
    assert found.failing == ["ssl is off", "sslmode is not set"]


def test_connections_it_cannot_see_are_no_pass() -> None:
    point = transaction.savepoint()
    sql("CREATE ROLE portal LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO portal")
    sql("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO portal; SET LOCAL SESSION AUTHORIZATION portal")
    with psycopg.connect(**connection.get_connection_params()):
        hidden = look("tls.db")
        sql("RESET SESSION AUTHORIZATION; GRANT pg_read_all_stats TO portal; SET LOCAL SESSION AUTHORIZATION portal")
        seen = look("tls.db")
    sql("RESET SESSION AUTHORIZATION")
    transaction.savepoint_rollback(point)
    assert (hidden.state, seen.state) == (State.ERROR, State.PASS), (hidden.observed, seen.observed)


def test_fault_a_socket_folder_that_is_open(settings: Any) -> None:
    folder = Path(settings.DATABASES["default"]["HOST"])
    folder.chmod(0o755)
    try:
        assert look("tls.db").failing == ["folder of the socket is open to others"]
    finally:
        folder.chmod(0o700)


def test_a_queue_over_tcp() -> None:
    found = proven("tls.broker", override_settings(REDIS_URL="redis://queue.example:6379/0"))
    assert found.failing == ["cache"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"CELERY_BROKER_URL": "rediss://queue.example/0?ssl_cert_reqs=none"}, "queue"),
        ({"EMBEDDING_ENDPOINT": {"url": "http://127.0.0.1:9000/v1"}}, "embedding endpoint"),
        ({"MAIL_URL": "smtp://localhost", "EMAIL_USE_SSL": False, "EMAIL_USE_TLS": False}, "mail"),
        ({"CLAMD": ("clamd.example", 3310)}, "malware scanner"),
        ({"REDIS_URL": "unix:///nowhere/redis.sock"}, "cache"),
    ],
)
def test_fault_links_in_clear(settings: Any, given: dict[str, Any], told: str) -> None:
    for name, value in given.items():
        setattr(settings, name, value)
    assert look("tls.broker").failing == [told]


class Edge:
    """A server that shakes hands and says nothing."""

    def __init__(self, files: certificates.Files, *, oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(files.certificate, files.key)
        if oldest < ssl.TLSVersion.TLSv1_2:
            self.context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self.context.minimum_version = oldest
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=copy_context().run, args=(self._serve,), daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self.socket.accept()
            except OSError:
                return
            with suppress(OSError):
                self.context.wrap_socket(plain, server_side=True).close()

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def edge(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[certificates.Files]:
    files = certificates.make(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(files.ca))
    server = Edge(files)
    settings.TLS = settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = 365 * 24 * 3600, True
    settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME = "__Host-session", "__Host-csrftoken"
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.PORTAL_URL = f"https://localhost:{server.port}"
    yield files
    server.close()


def test_cookies_that_are_not_secure(edge: certificates.Files) -> None:
    found = proven("tls.edge", override_settings(CSRF_COOKIE_SECURE=False))
    assert found.failing == ["cookie __Host-csrftoken: no Secure"]


def test_fault_an_edge_that_takes_old_versions(edge: certificates.Files, settings: Any) -> None:
    old = Edge(edge, oldest=ssl.TLSVersion.TLSv1)
    settings.PORTAL_URL = f"https://localhost:{old.port}"
    assert look("tls.edge").failing == ["accepts TLS 1.1"]
    old.close()


def test_fault_a_certificate_nobody_believes(
    edge: certificates.Files, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.make(tmp_path / "other").ca))
    assert look("tls.edge").failing == ["its certificate is not believed"]


def test_fault_hsts_for_a_month(edge: certificates.Files, settings: Any) -> None:
    settings.SECURE_HSTS_SECONDS = 30 * 24 * 3600
    assert look("tls.edge").failing == ["HSTS"]


def test_fault_scripts_may_read_the_session(edge: certificates.Files, settings: Any) -> None:
    settings.SESSION_COOKIE_HTTPONLY, settings.SESSION_COOKIE_SAMESITE = False, None
    assert look("tls.edge").failing == ["cookie __Host-session: no HttpOnly SameSite"]


def test_an_edge_out_of_reach_is_no_pass(edge: certificates.Files, settings: Any) -> None:
    settings.PORTAL_URL = "https://localhost:1"
    assert look("tls.edge").state == State.ERROR


def test_a_process_that_cannot_ask_for_old_versions_is_no_pass(
    edge: certificates.Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssl, "HAS_TLSv1_1", False)
    assert look("tls.edge").state == State.ERROR


def test_at_an_address_without_tls_it_fails() -> None:
    found = look("tls.edge")
    assert (found.state, "no TLS" in found.failing) == (State.FAIL, True)


# ── Workers ───────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def listening_worker(settings: Any) -> Iterator[None]:
    code = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(1, flush=True); time.sleep(60)"
    worker = subprocess.Popen([sys.executable, "-c", code, "celery"], cwd=settings.BASE_DIR, stdout=subprocess.PIPE)
    assert worker.stdout is not None
    worker.stdout.readline()
    try:
        yield
    finally:
        worker.kill()
        worker.wait()
        worker.stdout.close()


def test_a_worker_that_listens(settings: Any) -> None:
    settings.BACKUP_STORES = []
    found = proven("net.segmentation", listening_worker(settings))
    assert found.failing[0].startswith("worker ")


def test_a_backup_store_within_reach(settings: Any, tmp_path: Path) -> None:
    settings.BACKUP_STORES = [str(tmp_path / "elsewhere")]
    assert look("net.segmentation").state == State.PASS
    settings.BACKUP_STORES = [str(tmp_path), "s3://backups"]
    assert look("net.segmentation").failing == ["backup store 1 is within reach", "backup store 2 is within reach"]


def test_fault_a_token_that_rules_over_its_key(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from clinchat.lib.keys.vault import VaultKeys

    settings.BACKUP_STORES = []
    settings.CLINCHAT_KEYS = "vault"
    settings.VAULT_ADDR = "http://127.0.0.1:1"
    assert look("net.segmentation").state == State.ERROR

    class System:
        def get_capabilities(self, *, paths: list[str]) -> dict[str, Any]:
            return {"data": {paths[0]: ["read"], paths[1]: ["update"], paths[2]: ["deny"]}}

    class Client:
        sys = System()
        secrets = type("Secrets", (), {"transit": None})

    monkeypatch.setattr(VaultKeys, "_client", lambda _: Client())
    assert look("net.segmentation").failing == ["key right transit/keys/NAME/config"]


def test_processes_are_ours() -> None:
    assert os.getpid() in discovery.processes()
