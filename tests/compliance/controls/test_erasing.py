"""The check of erasures turns red when something of what was erased can still be read, wherever that is."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from clinchat.lib import clock
from compliance import data_keys, vault
from compliance.continuity.backup import key_copies
from compliance.models import DataKey, Drill
from compliance.phi import Entity, Label
from tests.proving import State, look, proven

pytestmark = pytest.mark.django_db
CHECK = "crypto.erase_canary"


@pytest.fixture(autouse=True)
def stores(settings: Any, tmp_path: Path) -> Path:
    key = os.urandom(32)
    settings.BACKUP_STORES = [str(tmp_path)]
    settings.BACKUP_KEYS = lambda: [key]
    drilled(ok=True)
    return tmp_path


def drilled(*, ok: bool | None) -> None:
    Drill.objects.create(state="failed", assertions=[{"key": "data_keys", "ok": ok, "observed": "-"}])


@contextmanager
def a_second_copy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever destroys a key keeps it under another conversation's name."""
    destroy = data_keys.destroy

    def keeps(scopes: Collection[UUID]) -> int:
        for key in DataKey.objects.filter(scope__in=list(scopes), destroyed_at=None):
            DataKey.objects.create(scope=UUID(int=key.scope.int ^ 1), key=key.key)
        return destroy(scopes)

    with monkeypatch.context() as patch:
        patch.setattr(data_keys, "destroy", keeps)
        yield


def test_a_key_that_is_kept_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    found = proven(CHECK, a_second_copy(monkeypatch))
    assert len(found.failing) == 1
    assert found.failing[0].startswith("key ")
    assert not DataKey.objects.exists(), "the canary is rolled back"


def test_fault_a_key_that_is_not_destroyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_keys, "destroy", lambda scopes: 0)
    failing = look(CHECK).failing
    assert {"the page", "table compliance_datakey", "what is copied beside the backups"} <= set(failing)


def test_fault_values_that_need_no_data_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_keys, "shut_with", lambda key, value, *, aad: value)
    assert {"the page", "the seal alone"} <= set(look(CHECK).failing)


def test_fault_a_backup_with_data_keys() -> None:
    drilled(ok=False)
    (failing,) = look(CHECK).failing
    assert failing.endswith("data keys")


def test_fault_a_destroyed_key_beside_the_backups(monkeypatch: pytest.MonkeyPatch) -> None:
    scope = UUID(int=7)
    vault.store(scope, [Entity("[NAME-1]", Label.NAME, "Zoë")])
    key_copies.write()
    assert look(CHECK).state == State.PASS
    vault.erase([scope])
    (failing,) = look(CHECK).failing
    assert failing.endswith("a destroyed key")
    key_copies.write()
    assert look(CHECK).state == State.PASS


def test_fault_a_copy_older_than_the_newest_erasure(settings: Any, stores: Path) -> None:
    """Told where this process has no backup key, as the workers that run checks have none."""
    key_copies.write()
    long_ago = (clock.now() - timedelta(hours=2)).timestamp()
    os.utime(stores / key_copies.NAME, (long_ago, long_ago))
    vault.store(UUID(int=7), [Entity("[NAME-1]", Label.NAME, "Zoë")])
    DataKey.objects.update(key=None, destroyed_at=clock.now() - timedelta(hours=1))
    settings.BACKUP_KEYS = _none
    (failing,) = look(CHECK).failing
    assert failing.endswith("older than the newest erasure")


def test_fault_a_copy_that_somebody_wrote(stores: Path) -> None:
    key_copies.write()
    path = stores / key_copies.NAME
    path.chmod(0o600)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    (failing,) = look(CHECK).failing
    assert failing.endswith("not ours")


def _none() -> list[bytes]:
    from django.core.exceptions import ImproperlyConfigured

    raise ImproperlyConfigured
