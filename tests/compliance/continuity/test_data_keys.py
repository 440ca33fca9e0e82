"""Values are sealed with the data key of their conversation; once it is destroyed, no copy of them opens."""

from __future__ import annotations

import importlib
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import Error, connection, connections, transaction
from django.db.migrations.loader import MigrationLoader

from clinchat.lib import sealed
from clinchat.lib.keys import Unsealable
from compliance import data_keys, vault
from compliance.models import DataKey, MaskReport, VaultEntry
from compliance.phi import Entity, Label
from tests import cast

pytestmark = pytest.mark.django_db
NAMED = Entity("[NAME-1]", Label.NAME, "Zebulon Quixworth")
NUMBERED = Entity("[MRN-1]", Label.MRN, "77-31-9")


def raw(scope: uuid.UUID) -> dict[str, bytes]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT token, sealed FROM compliance_vaultentry WHERE scope = %s", [scope])
        return {token: bytes(blob) for token, blob in cursor.fetchall()}


def put(scope: uuid.UUID, blobs: dict[str, bytes]) -> None:
    for token, blob in blobs.items():
        VaultEntry.objects.filter(scope=scope, token=token).update(value=blob)


def stored() -> uuid.UUID:
    scope = uuid.uuid4()
    vault.store(scope, [NAMED, NUMBERED])
    return scope


def test_a_conversation_has_one_key_and_another_one_its_own() -> None:
    one, other = stored(), stored()
    vault.store(one, [Entity("[NAME-2]", Label.NAME, "Ines Delacroix")])
    keys = {key.scope: key.key for key in DataKey.objects.all()}
    assert set(keys) == {one, other}
    assert keys[one] != keys[other]
    assert [entity.value for entity in vault.known(one)] == ["Zebulon Quixworth", "77-31-9", "Ines Delacroix"]


def test_reading_a_conversation_costs_one_query_more(django_assert_num_queries: Any) -> None:
    scope = stored()
    with django_assert_num_queries(2):
        vault.known(scope)


def test_a_destroyed_key_opens_nothing_even_of_what_was_copied_before() -> None:
    scope, other = stored(), stored()
    copy = raw(scope)
    assert vault.erase([scope]) == vault.Erased(keys=1, values=2)
    assert [entity.value for entity in vault.known(scope)] == ["", ""]
    put(scope, copy)
    assert [entity.value for entity in vault.known(scope)] == ["", ""]
    held = sealed.unseal(copy["[NAME-1]"], aad=f"compliance_vaultentry.sealed:{scope}:[NAME-1]".encode())
    assert b"Quixworth" not in held, "the key that wraps every value does not open it either"
    assert [entity.value for entity in vault.known(other)] == ["Zebulon Quixworth", "77-31-9"]
    assert vault.erase([scope]).keys == 0


def test_what_comes_after_gets_a_key_of_its_own() -> None:
    scope = stored()
    vault.erase([scope])
    vault.store(scope, [Entity("[NAME-2]", Label.NAME, "Ines Delacroix")])
    assert [entity.value for entity in vault.known(scope)] == ["", "", "Ines Delacroix"]
    assert DataKey.objects.filter(scope=scope).count() == 2


def test_a_destroyed_key_does_not_come_back() -> None:
    scope = stored()
    vault.erase([scope])
    key = DataKey.objects.get()
    key.key, key.destroyed_at = data_keys.new(), None
    with pytest.raises(Error), transaction.atomic():
        key.save()
    with pytest.raises(Error), transaction.atomic():
        key.delete()


def test_a_key_of_another_conversation_does_not_open() -> None:
    one, other = stored(), stored()
    DataKey.objects.filter(scope=one).update(scope=uuid.uuid4())
    with pytest.raises(Unsealable):
        vault.known(one)
    put(other, raw(one))
    with pytest.raises(Unsealable):
        vault.known(other)


def test_a_key_that_is_gone_is_not_taken_for_one_that_was_destroyed() -> None:
    scope = stored()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE compliance_datakey")
    with pytest.raises(Unsealable):
        vault.known(scope)


def test_keys_come_back_from_the_copy_beside_the_backups() -> None:
    kept, erased, late = stored(), stored(), stored()
    vault.erase([erased])
    taken = data_keys.export()
    copies = {scope: raw(scope) for scope in (kept, erased)}
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE compliance_datakey")
    put(erased, {"[NAME-1]": copies[kept]["[NAME-1]"]})
    assert data_keys.load(taken) == 3
    assert [entity.value for entity in vault.known(kept)] == ["Zebulon Quixworth", "77-31-9"]
    assert DataKey.objects.get(scope=erased).key is None
    assert data_keys.load(taken) == 0
    vault.erase([late])
    after = data_keys.export()
    assert DataKey.objects.get(scope=late).key is None
    assert data_keys.load(taken) == 0, "a copy from before does not bring a destroyed key back"
    assert DataKey.objects.get(scope=late).key is None
    assert after == data_keys.export()


def test_a_later_destruction_is_taken_over() -> None:
    """A database that was rolled forward from older files learns which keys are destroyed."""
    scope = stored()
    before = DataKey.objects.get()
    later = data_keys.export().replace(b'"destroyed_at":null', b'"destroyed_at":"2026-11-22T12:00:00+00:00"')
    later = later.replace(
        later[later.index(b'"sealed":') : later.index(b"}", later.index(b'"sealed":'))], b'"sealed":null'
    )
    assert data_keys.load(later) == 1
    assert DataKey.objects.get(pk=before.pk).key is None
    assert [entity.value for entity in vault.known(scope)] == ["", ""]


@pytest.mark.parametrize("data", [b"", b"{}", b'{"form":2,"keys":[]}', b'{"form":1,"keys":[{}]}', b"[]"])
def test_nothing_else_is_loaded(data: bytes) -> None:
    with pytest.raises(ValueError, match="no data keys"):
        data_keys.load(data)


def test_a_word_reported_as_missed_goes_with_its_conversation() -> None:
    scope = stored()
    filed = MaskReport.objects.create(
        kind="missed", reporter=cast.alice(), scope=scope, turn=uuid.uuid4(), token="[NAME-1]", words="Delacroix"
    )
    assert MaskReport.objects.get(pk=filed.pk).words == "Delacroix"
    data_keys.destroy([scope])
    assert MaskReport.objects.get(pk=filed.pk).words == ""


def test_values_of_0_8_get_a_data_key_with_the_upgrade() -> None:
    """Sealed for their row alone: they are read before the migration as well, and need their key after it."""
    one, other = uuid.uuid4(), uuid.uuid4()
    for scope in (one, other):
        entry = VaultEntry.objects.create(scope=scope, token="[NAME-1]", label="NAME", value="", blind_index=b"x")
        place = f"compliance_vaultentry.sealed:{scope}:[NAME-1]".encode()
        VaultEntry.objects.filter(pk=entry.pk).update(value=sealed.seal(b"Ines Delacroix", aad=place))
    filed = MaskReport.objects.create(
        kind="missed", reporter=cast.alice(), scope=one, turn=uuid.uuid4(), token="[NAME-1]", words=""
    )
    words = sealed.seal("Zoë".encode(), aad=f"compliance_maskreport.words:{filed.pk}".encode())
    MaskReport.objects.filter(pk=filed.pk).update(words=words)
    assert [entity.value for entity in vault.known(one)] == ["Ines Delacroix"]
    assert not DataKey.objects.exists()
    apps = MigrationLoader(connection).project_state(("compliance", "0011_continuity")).apps
    migration = importlib.import_module("compliance.migrations.0011_continuity")
    migration.give_data_keys(apps, None)
    assert {key.scope for key in DataKey.objects.all()} == {one, other}
    assert [entity.value for entity in vault.known(one)] == ["Ines Delacroix"]
    assert MaskReport.objects.get().words == "Zoë"
    data_keys.destroy([one])
    assert [entity.value for entity in vault.known(one)] == [""]
    assert MaskReport.objects.get().words == ""
    assert [entity.value for entity in vault.known(other)] == ["Ines Delacroix"]
    migration.take_data_keys(apps, None)  # back to 0.8: what was not destroyed is read without its key
    data_keys.destroy([other])
    assert [entity.value for entity in vault.known(other)] == ["Ines Delacroix"]
    assert [entity.value for entity in vault.known(one)] == [""]


@pytest.mark.django_db(transaction=True)
def test_two_processes_that_make_the_first_value_at_once_use_one_key() -> None:
    scope, ready = uuid.uuid4(), threading.Barrier(4)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            ready.wait(10)
            vault.store(scope, [Entity(f"[NAME-{number}]", Label.NAME, f"value {number}")])
        except BaseException as error:  # noqa: BLE001  # told below
            failures.append(error)
        finally:
            connections.close_all()

    _together([lambda number=number: work(number) for number in range(4)])  # type: ignore[misc]
    assert failures == []
    assert DataKey.objects.count() == 1
    assert sorted(entity.value for entity in vault.known(scope)) == [f"value {number}" for number in range(4)]


def _together(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
