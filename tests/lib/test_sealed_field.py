"""SealedField: text in Python, bound to its row in the database."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core import serializers
from django.db import connection, transaction

from clinchat.lib import keys, sealed
from compliance.models import VaultEntry
from tests.lib import rings

pytestmark = pytest.mark.django_db
SECRET = "Zebulon Quixworth"


def made(token: str = "[NAME-1]", value: str = SECRET) -> VaultEntry:
    return VaultEntry.objects.create(scope=uuid.uuid4(), token=token, label="NAME", value=value, blind_index=b"")


def blob_of(entry: VaultEntry) -> bytes:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed FROM compliance_vaultentry WHERE id = %s", [entry.pk])
        return bytes(cursor.fetchone()[0])


@pytest.mark.parametrize("value", [SECRET, "", "Zoë ☃ \U0001f469\u200d⚕️", "a" * 5000, "line\nline"])
def test_it_comes_back_as_it_was(value: str) -> None:
    entry = made(value=value)
    assert entry.value == value
    assert VaultEntry.objects.get(pk=entry.pk).value == value
    assert VaultEntry.objects.defer("value").get(pk=entry.pk).value == value
    assert value.encode() not in blob_of(entry) or not value


def test_a_value_in_another_row_is_never_taken_for_its_own() -> None:
    one, other = made(), made(value="somebody else")
    VaultEntry.objects.filter(pk=other.pk).update(value=blob_of(one))
    moved = VaultEntry.objects.get(pk=other.pk)
    with pytest.raises(sealed.Unsealable):
        _ = moved.value
    with pytest.raises(sealed.Unsealable):  # nor the second time it is asked for
        _ = moved.value
    with pytest.raises(sealed.Unsealable):
        moved.refresh_from_db()


def test_an_unopened_value_is_saved_as_it_is() -> None:
    entry = made()
    before = blob_of(entry)
    found = VaultEntry.objects.get(pk=entry.pk)
    found.label = "OTHER"
    found.save()
    assert blob_of(entry) == before
    assert VaultEntry.objects.get(pk=entry.pk).value == SECRET


def test_an_unopened_value_is_never_saved_under_a_key_that_is_to_go(tmp_path: Path, settings: Any) -> None:
    rings.use_file(settings, tmp_path / "sealing_key")
    entry = made()
    found = VaultEntry.objects.get(pk=entry.pk)
    first, new = keys.keys().current(), keys.keys().renew()
    found.save()
    assert (rings.wrapped_by(blob_of(entry)), VaultEntry.objects.get(pk=entry.pk).value) == (new, SECRET)
    stale = VaultEntry.objects.get(pk=entry.pk)
    keys.keys().renew()
    assert keys.keys().retire(set()) == [new, first]
    with pytest.raises(sealed.Unsealable):
        stale.save()


def test_it_cannot_be_written_without_its_row() -> None:
    entry = made()
    with pytest.raises(TypeError), transaction.atomic():
        VaultEntry.objects.filter(pk=entry.pk).update(value="open")
    entry.value = "open"
    with pytest.raises(TypeError), transaction.atomic():
        VaultEntry.objects.bulk_update([entry], ["value"])
    assert VaultEntry.objects.get(pk=entry.pk).value == SECRET


def test_it_is_not_written_into_a_fixture() -> None:
    with pytest.raises(TypeError):
        serializers.serialize("json", [made()])


def test_the_table_says_nothing() -> None:
    made()
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM compliance_vaultentry t")
        assert SECRET not in cursor.fetchone()[0]
