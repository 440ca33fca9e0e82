"""The checks of the machine, of the inventory and of who is spoken to."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import override_settings

from clinchat.lib import clock, outbound
from compliance.controls import baseline, discovery
from compliance.models import Agreement, Asset, ControlResult, Vendor
from compliance.scanning import packages
from tests import cast
from tests.breaking import undone
from tests.proving import look, proven

pytestmark = pytest.mark.django_db
State = ControlResult.State


@pytest.fixture(autouse=True)
def _this_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other processes of the tests listen as they please."""
    own = os.getpid()
    monkeypatch.setattr(discovery, "processes", lambda: [own])
    before = {one.port for one in discovery.sockets() if one.state == discovery.LISTENING}
    sockets = discovery.sockets
    monkeypatch.setattr(discovery, "sockets", lambda: [one for one in sockets() if one.port not in before])


@contextmanager
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


# ── Settings ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def deployed(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in production: with TLS, and with the password hashes that tests do without."""
    # Set for the browser tests, whose event loop may be alive by now: only the check of Django is not to see it.
    monkeypatch.setattr("django.core.checks.async_checks.os", SimpleNamespace(environ={}))
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
    settings.EMBEDDED = False
    settings.TLS = settings.SECURE_SSL_REDIRECT = settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    settings.SECURE_HSTS_PRELOAD = settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SECURE_HSTS_SECONDS = 365 * 24 * 3600
    settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME = "__Host-session", "__Host-csrftoken"


def test_debug_is_on(deployed: None) -> None:
    found = proven("config.deploy_check", override_settings(DEBUG=True))
    assert {"DEBUG", "setting DEBUG"} <= set(found.failing)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"]}, "setting PASSWORD_HASHERS"),
        ({"SESSION_COOKIE_SECURE": False}, "setting SESSION_COOKIE_SECURE"),
        ({"SILENCED_SYSTEM_CHECKS": ["security.W012"]}, "setting SILENCED_SYSTEM_CHECKS"),
        ({"X_FRAME_OPTIONS": "SAMEORIGIN"}, "check security.W019"),
        ({"CONTENT_SECURITY_POLICY": {"DIRECTIVES": {}}}, "setting CONTENT_SECURITY_POLICY"),
        ({"AUDIT_CHECKPOINT_FILES": []}, "check compliance.E001"),
        ({"PHI_NER": False}, "setting PHI_NER"),
        ({"AUTHENTICATION_BACKENDS": ["chat.anybody.Backend"]}, "setting AUTHENTICATION_BACKENDS"),
    ],
)
def test_fault_a_weaker_setting(deployed: None, given: dict[str, Any], told: str) -> None:
    with override_settings(**given):
        assert told in look("config.deploy_check").failing


def test_fault_a_port_nobody_declared(deployed: None) -> None:
    with listener() as port:
        assert look("config.deploy_check").failing == [f"port 127.0.0.1:{port}"]
        Asset.objects.create(
            name="Metrics", kind="listener", address=f"127.0.0.1:{port}", purpose="x", declared_by=cast.sam()
        )
        assert look("config.deploy_check").state == State.PASS


def test_the_baseline_is_that_of_this_release(settings: Any) -> None:
    """Changed on purpose? `baseline.FILE.write_text(baseline.text())`, and have the difference reviewed."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
    assert json.loads(baseline.FILE.read_text()) == json.loads(baseline.text())
    assert baseline.differing() == []


def test_on_one_machine_behind_a_proxy_with_tls_the_settings_are_those_of_production(
    deployed: None, settings: Any
) -> None:
    settings.EMBEDDED = True
    assert baseline.differing() == []
    settings.TLS = False
    assert "SESSION_COOKIE_SECURE" in baseline.differing(), "without TLS, embedded is what one machine has"


def test_on_one_machine_what_lacks_tls_is_told() -> None:
    assert "check security.W008" in look("config.deploy_check").failing


def test_without_a_baseline_nothing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    baseline.approved.cache_clear()
    monkeypatch.setattr(baseline, "FILE", tmp_path / "gone.json")
    assert look("config.deploy_check").state == State.ERROR
    baseline.approved.cache_clear()


# ── Packages ──────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def installed(folder: Path, name: str) -> Iterator[None]:
    """A package more, as pip leaves one."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        (info / "METADATA").unlink()
        info.rmdir()


def test_a_package_that_nobody_locked(tmp_path: Path) -> None:
    found = proven("supply.sbom_and_hashes", installed(tmp_path, "leftover"))
    assert found.failing == ["extra leftover 1.0"]


def test_fault_another_version_than_the_locked_one(tmp_path: Path) -> None:
    with installed(tmp_path, "django"):
        assert look("supply.sbom_and_hashes").failing == ["version django 1.0"]


def test_without_a_lock_nothing_is_said(settings: Any, tmp_path: Path) -> None:
    settings.BASE_DIR = tmp_path
    assert look("supply.sbom_and_hashes").state == State.ERROR
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "dev.txt").write_text("django==5.2\n")  # without hashes
    assert look("supply.sbom_and_hashes").state == State.ERROR
    assert packages.LOCKS


# ── Inventory ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def declared() -> None:
    for one in discovery.discover():
        Asset.objects.create(
            name=one.what, kind=one.kind, address=one.address, ephi=one.ephi, purpose="x", declared_by=cast.sam()
        )


def test_a_listener_nobody_declared(declared: None) -> None:
    found = proven("assets.discovered_equals_declared", listener())
    assert found.failing[0].startswith("listener 127.0.0.1:")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"EMBEDDING_ENDPOINT": {"url": "https://models.example/v1"}}, "model models.example:443 is not declared"),
        ({"REDIS_URL": "rediss://other.example:6380/0"}, "queue other.example:6380 is not declared"),
        ({"CLAMD": ("scanner.example", 3310)}, "host scanner.example:3310 is not declared"),
    ],
)
def test_fault_something_new_in_the_settings(declared: None, given: dict[str, Any], told: str) -> None:
    with override_settings(**given):
        assert told in look("assets.discovered_equals_declared").failing


def test_fault_something_declared_that_is_gone(declared: None) -> None:
    Asset.objects.create(name="Old", kind="host", address="old.example:443", purpose="x", declared_by=cast.sam())
    assert look("assets.discovered_equals_declared").failing == ["host old.example:443 is declared and not found"]


def test_what_was_never_declared_fails() -> None:
    assert look("assets.discovered_equals_declared").state == State.FAIL


def test_a_child_of_ours_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    child = subprocess.Popen(["/bin/sleep", "20"])
    try:
        assert child.pid in discovery.processes()
        assert 1 not in discovery.processes() or os.getpid() == 1
    finally:
        child.kill()
        child.wait()


# ── Pages of the database ─────────────────────────────────────────────────────────────────────────────────────


BROKEN_INDEX = (
    "CREATE TABLE scratch (id int PRIMARY KEY)",
    "INSERT INTO scratch SELECT generate_series(1, 50)",
    "UPDATE pg_index SET indisready = false, indislive = false, indisvalid = false "
    "WHERE indrelid = 'scratch'::regclass",
    "INSERT INTO scratch VALUES (51)",
    "UPDATE pg_index SET indisready = true, indislive = true, indisvalid = true WHERE indrelid = 'scratch'::regclass",
)
"""A copy whose index does not lead to a row, as after a page of it was lost."""


def test_a_scratch_table_whose_index_lost_a_page() -> None:
    cast.alice()
    found = proven("integrity.pg_checksums", undone(*BROKEN_INDEX))
    assert found.failing == ["index of scratch"]


def test_fault_a_row_whose_parent_is_gone() -> None:
    cast.alice()
    with undone(
        "SET LOCAL session_replication_role = 'replica'",
        "UPDATE compliance_roleassignment SET user_id = gen_random_uuid()",
        "SET LOCAL session_replication_role = 'origin'",
    ):
        failing = look("integrity.pg_checksums").failing
    assert any(one.startswith("orphans of compliance_roleassig") for one in failing), failing


def test_where_amcheck_should_be_and_is_not_nothing_is_said(settings: Any) -> None:
    settings.EMBEDDED = False
    assert look("integrity.pg_checksums").state == State.ERROR


# ── Who is spoken to ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def vendor(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Vendor:
    """A model of another company, with an agreement."""
    settings.EMBEDDING_ENDPOINT = {"url": "https://models.example/v1"}
    monkeypatch.setattr(discovery, "addresses", lambda hosts: {host: ["8.8.8.8"] for host in hosts})
    today = clock.now().date()
    made = Vendor.objects.create(name="Models Inc.", service="Embedding", hosts=["Models.example"])
    Agreement.objects.create(
        vendor=made,
        signed_on=today - timedelta(days=30),
        expires_on=today + timedelta(days=300),
        artifact_name="BAA",
        artifact_sha256="0" * 64,
        added_by=cast.sam(),
    )
    return made


def test_a_model_at_an_unlisted_host(vendor: Vendor) -> None:
    elsewhere = override_settings(EMBEDDING_ENDPOINT={"url": "https://api.unlisted.example/v1"})
    found = proven("egress.allowlist", elsewhere)
    assert found.failing == ["api.unlisted.example has no agreement in force"]


def test_fault_an_agreement_that_ran_out(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    later = clock.now() + timedelta(days=301)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert look("egress.allowlist").failing == ["models.example has no agreement in force"]


def test_fault_a_vendor_that_left(vendor: Vendor) -> None:
    Vendor.objects.filter(pk=vendor.pk).update(ended_at=clock.now())
    assert look("egress.allowlist").state == State.FAIL


def test_fault_a_client_that_speaks_to_anybody(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "named", lambda: {"egress.canary.invalid"})
    assert look("egress.allowlist").failing == ["an unlisted host is not refused"]


def test_within_the_hospital_no_agreement_is_needed(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LDAP_URL = "ldaps://directory.hospital.example"
    monkeypatch.setattr(discovery, "addresses", lambda hosts: {host: ["10.1.2.3"] for host in hosts})
    assert look("egress.allowlist").state == State.PASS


@pytest.mark.parametrize("host", ["telemetry.example", "8.8.8.8", b"statistics.example", "xn--unlisted.example"])
def test_others_are_refused(host: Any) -> None:
    with pytest.raises(outbound.Refused):
        socket.getaddrinfo(host, 443)


@pytest.mark.parametrize("host", [None, "localhost", "127.0.0.1", "10.0.0.7", "::1", socket.gethostname()])
def test_this_machine_and_private_networks_are_not(host: Any) -> None:
    socket.getaddrinfo(host, 443)


def test_what_a_trusted_service_names_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "_also", set())
    outbound.also("https://keys.example/jwks")
    assert "keys.example" in outbound.named()
