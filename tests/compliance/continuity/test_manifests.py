"""The signed manifest of a backup."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.test import override_settings

from compliance.continuity.backup import manifests
from compliance.continuity.backup.manifests import Manifest, Part
from compliance.continuity.refusals import Altered, Missing, NoKey, TooNew, Unsigned, WrongKey
from compliance.continuity.storage import keys

KEY, OTHER = keys.derive(b"k" * 32), keys.derive(b"o" * 32)
ID = "0a1b2c3d-0000-4000-8000-000000000000"
AT = datetime(2026, 11, 22, 16, 3, 0, 5, tzinfo=UTC)
ONE = Manifest(
    id=ID,
    key=manifests.folder_name(ID, AT),
    kind="full",
    type="manual",
    name="Before 0.9 — “new”",
    environment="local",
    as_of=AT,
    made_at=AT,
    keep_until=AT.replace(year=2027),
    app_version="0.9",
    schema={"digest": "00", "migrations": ["compliance.0001_initial"]},
    tools={"server": "18.4"},
    parts=(Part("database.dump", 10, "a" * 64, 1, "b" * 64),),
    rows={"compliance_user": {"rows": 2, "sum": "1 -1"}},
)


def test_it_reads_as_it_was_written() -> None:
    data = manifests.serialize(ONE, key=KEY)
    assert manifests.parse(data, keys=[OTHER, KEY]) == ONE
    assert data == manifests.serialize(ONE, key=KEY)
    assert ONE.key == "20261122T160300Z-0a1b2c3d"
    assert ONE.part("database.dump").size == ONE.size == 10
    with pytest.raises(Missing, match=r"files\.tar"):
        ONE.part("files.tar")


def test_an_outsider_can_read_it_and_its_signature() -> None:
    line, signature = manifests.serialize(ONE, key=KEY).splitlines()
    assert json.loads(line)["rows"]["compliance_user"]["rows"] == 2
    key_id, _, value = signature.partition(b" ")
    assert key_id.decode() == KEY.id
    assert KEY.verifies(b"clinchat backup manifest 1\n" + line, bytes.fromhex(value.decode()))


def test_another_signature_is_none() -> None:
    data, theirs = manifests.serialize(ONE, key=KEY), manifests.serialize(ONE, key=OTHER)
    with pytest.raises(WrongKey):
        manifests.parse(theirs, keys=[KEY])
    with pytest.raises(Unsigned):  # theirs under our name
        manifests.parse(theirs.replace(OTHER.id.encode(), KEY.id.encode()), keys=[KEY])
    for wrong in (data[:-1], data + b"\n", data.splitlines()[0] + b"\n", b"", data.replace(b"full", b"base")):
        with pytest.raises(Unsigned):
            manifests.parse(wrong, keys=[KEY])


def test_a_later_form_is_not_guessed_at() -> None:
    with pytest.raises(TooNew):
        manifests.parse(manifests.serialize(replace(ONE, form=2), key=KEY), keys=[KEY])


def test_what_we_signed_and_do_not_understand_is_refused() -> None:
    with pytest.raises(Altered):
        manifests.parse(manifests.serialize(replace(ONE, parts=({"name": "x"},)), key=KEY), keys=[KEY])  # type: ignore[arg-type]  # as no version wrote it


def test_a_process_without_the_key_says_so() -> None:
    from django.core.exceptions import ImproperlyConfigured

    def none() -> list[bytes]:
        raise ImproperlyConfigured

    with override_settings(BACKUP_KEYS=none), pytest.raises(NoKey, match="BACKUP_KEY_FILE"):
        keys.newest()
