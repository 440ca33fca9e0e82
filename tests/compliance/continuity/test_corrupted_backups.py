"""A thousand backups that are not what was written: each is refused for the right reason, and nothing is written."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection

from compliance.continuity.backup import manifests, reading
from compliance.continuity.backup.manifests import object_name
from compliance.continuity.refusals import (
    MANIFEST,
    Altered,
    Missing,
    Refused,
    Replayed,
    TooNew,
    Truncated,
    Unsigned,
    WrongKey,
)
from compliance.continuity.storage import keys, streams
from tests.compliance.continuity.small_backups import Made, Memory, make

EACH = 100
SEALED = streams.FRAME + streams.TAG
KEY_ID = range(len(streams.MAGIC), len(streams.MAGIC) + 16)
FOREIGN = keys.derive(b"somebody else's key, 32 bytes!!!")
Expected = tuple[type[Refused], ...]
Case = tuple[Expected, str]
"""The refusals that are right, and the part they must name."""


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Made:
    with django_db_blocker.unblock():
        return make(tmp_path_factory.mktemp("backups"))


@pytest.fixture
def _nothing_written(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever is refused was refused by reading: no program is started, and no statement writes."""

    def read_only(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        assert sql.lstrip().startswith(("SELECT", "SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT")), sql
        return execute(sql, params, many, context)

    def none(*_: Any, **__: Any) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", none)
    with connection.execute_wrapper(read_only):
        yield


def flipped(data: bytes, at: int, dice: random.Random) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]


def part_of(made: Made, dice: random.Random) -> str:
    return dice.choice([part.name for part in made.newer.parts])


def bits_of_a_part(made: Made, store: Memory, dice: random.Random) -> Case:
    part = part_of(made, dice)
    name = object_name(made.newer.key, part)
    length = len(store.objects[name])
    at = dice.choice([dice.randrange(length), dice.randrange(streams.HEADER), length - 1 - dice.randrange(streams.TAG)])
    store.objects[name] = flipped(store.objects[name], at, dice)
    return ((WrongKey if at in KEY_ID else Altered,), part)


def bits_of_the_manifest(made: Made, store: Memory, dice: random.Random) -> Case:
    name = object_name(made.newer.key, MANIFEST)
    data = store.objects[name]
    at = dice.randrange(len(data))
    key_id = range(data.index(b"\n") + 1, data.index(b"\n") + 17)
    store.objects[name] = flipped(data, at, dice)
    return ((WrongKey, Unsigned) if at in key_id else (Unsigned,)), MANIFEST


def truncated(made: Made, store: Memory, dice: random.Random) -> Case:
    part = dice.choice([part_of(made, dice), MANIFEST])
    name = object_name(made.newer.key, part)
    data = store.objects[name]
    borders = [streams.HEADER + n * SEALED for n in range(len(data) // SEALED + 1)]
    at = dice.choice([dice.randrange(len(data)), dice.choice([one for one in borders if one < len(data)] or [0])])
    store.objects[name] = data[:at]
    return ((Unsigned,) if part == MANIFEST else (Truncated,)), part


def parts_swapped(made: Made, store: Memory, dice: random.Random) -> Case:
    part = part_of(made, dice)
    others = [(made.older, one.name) for one in made.older.parts]
    others += [(made.newer, one.name) for one in made.newer.parts if one.name != part]
    other, theirs = dice.choice(others)
    here, there = object_name(made.newer.key, part), object_name(other.key, theirs)
    store.objects[here], store.objects[there] = store.objects[there], store.objects[here]
    # Two parts have changed places: the first one that is looked at is the one that is named.
    return (Altered, Truncated), "" if other is made.newer else part


def frames_moved(made: Made, store: Memory, dice: random.Random) -> Case:
    name, other = (object_name(one.key, "files.tar") for one in (made.newer, made.older))

    def frames(data: bytes) -> list[bytes]:
        return [data[at : at + SEALED] for at in range(streams.HEADER, len(data), SEALED)]

    whole, theirs = frames(store.objects[name]), frames(store.objects[other])
    first, second = dice.sample(range(len(whole)), 2)
    moved = list(whole)
    match dice.choice(["swap", "twice", "drop", "theirs", "instead"]):
        case "swap":
            moved[first], moved[second] = whole[second], whole[first]
        case "twice":
            moved.insert(second, whole[first])
        case "drop":
            del moved[first]
        case "theirs":
            moved[first] = theirs[first]
        case _:
            moved = [whole[first]] * len(whole)
    store.objects[name] = store.objects[name][: streams.HEADER] + b"".join(moved)
    return (Altered, Truncated), "files.tar"


def another_key(made: Made, store: Memory, dice: random.Random) -> Case:
    """All of it was made anew by somebody who has a key, but not ours: a part, the manifest, or both."""
    part = part_of(made, dice)
    name, of = object_name(made.newer.key, part), f"{made.newer.id}/{part}"
    theirs = b"".join(streams.encrypt([dice.randbytes(dice.randrange(5_000))], key=FOREIGN, context=of))
    if dice.random() < 0.5:
        told = replace(made.newer.part(part), size=len(theirs), sha256=manifests.sha256(theirs))
        parts = tuple(told if one.name == part else one for one in made.newer.parts)
        store.objects[object_name(made.newer.key, MANIFEST)] = manifests.serialize(
            replace(made.newer, parts=parts), key=FOREIGN
        )
        store.objects[name] = theirs
        return (WrongKey,), MANIFEST
    store.objects[name] = _fit(theirs, store.objects[name])
    return (WrongKey,), part


def _fit(theirs: bytes, ours: bytes) -> bytes:
    """Their header and what follows, as long as ours was."""
    return (theirs + ours[len(theirs) :])[: len(ours)]


def replayed(made: Made, store: Memory, dice: random.Random) -> Case:
    """An old manifest over a newer backup, an old backup in a newer folder, a folder under another time or id."""
    older, newer = made.older, made.newer
    stamp = f"2026{dice.randrange(1, 13):02}{dice.randrange(1, 29):02}T{dice.randrange(24):02}0000Z"
    match dice.choice(["manifest", "folder", "time", "id"]):
        case "manifest":
            store.objects[object_name(newer.key, MANIFEST)] = store.objects[object_name(older.key, MANIFEST)]
            target = newer.key
        case "folder":
            for name in (MANIFEST, *(part.name for part in older.parts)):
                store.objects[object_name(newer.key, name)] = store.objects[object_name(older.key, name)]
            target = newer.key
        case "time":
            target = f"{stamp}{newer.key[16:]}"
        case _:
            target = f"{newer.key[:17]}{dice.getrandbits(32):08x}"
    if target != newer.key:
        for name in (MANIFEST, *(part.name for part in newer.parts)):
            store.objects[object_name(target, name)] = store.objects.pop(object_name(newer.key, name))
    return (Replayed,), f"{MANIFEST} in {target}"


def manifest_edited(made: Made, store: Memory, dice: random.Random) -> Case:
    """What it says is changed, and the signature is the old one, none, another's, or another's under our name."""
    name = object_name(made.newer.key, MANIFEST)
    line, signature = store.objects[name].splitlines()
    said: dict[str, Any] = json.loads(line)
    field = dice.choice(sorted(set(said) - {"form"}))
    said[field] = {"keep_until": "2000-01-01T00:00:00+00:00", "parts": said["parts"][:-1]}.get(field, "edited")
    edited = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
    forged = FOREIGN.sign(b"clinchat backup manifest 1\n" + edited).hex().encode()
    ours = made.keys[0].id.encode()
    how: list[tuple[bytes, type[Refused]]] = [
        (edited + b"\n" + signature + b"\n", Unsigned),
        (edited + b"\n", Unsigned),
        (edited + b"\n" + ours + b" " + forged + b"\n", Unsigned),
        (edited + b"\n" + FOREIGN.id.encode() + b" " + forged + b"\n", WrongKey),
        (manifests.serialize(replace(made.newer, form=2 + dice.randrange(9)), key=made.keys[0]), TooNew),
    ]
    store.objects[name], right = dice.choice(how)
    return (right,), MANIFEST


def missing(made: Made, store: Memory, dice: random.Random) -> Case:
    part = dice.choice([MANIFEST, *(one.name for one in made.newer.parts)])
    del store.objects[object_name(made.newer.key, part)]
    return (Missing,), part


def too_much(made: Made, store: Memory, dice: random.Random) -> Case:
    """Bytes after the end of a part or of the manifest, or something that the manifest does not name."""
    part = dice.choice([MANIFEST, "another.dump", part_of(made, dice)])
    more = dice.choice([b"\n", b"\0", dice.randbytes(dice.randrange(1, 40)), bytes(SEALED)])
    name = object_name(made.newer.key, part)
    store.objects[name] = store.objects.get(name, b"") + more
    return ((Unsigned,) if part == MANIFEST else (Altered,)), part


WAYS: list[Callable[[Made, Memory, random.Random], Case]] = [
    *(bits_of_a_part, bits_of_the_manifest, truncated, parts_swapped, frames_moved),
    *(another_key, replayed, manifest_edited, missing, too_much),
]


@pytest.mark.usefixtures("_nothing_written")
@pytest.mark.parametrize("spoil", WAYS)
def test_a_hundred_of_each_are_refused(made: Made, spoil: Callable[[Made, Memory, random.Random], Case]) -> None:
    for number in range(EACH):
        store = made.store()
        expected, part = spoil(made, store, random.Random(f"{spoil.__name__} {number}"))
        assert store.objects != made.objects, number
        part, _, folder = part.partition(" in ")
        with pytest.raises(Refused) as refused:
            reading.check(store, folder or made.newer.key, keys=made.keys)
        assert type(refused.value) in expected, (number, refused.value.words)
        assert refused.value.part == part or not part, (number, refused.value.words)


def test_a_thousand() -> None:
    assert len(WAYS) * EACH == 1000


@pytest.mark.usefixtures("_nothing_written")
def test_they_are_read_as_they_were_written(made: Made) -> None:
    for one in (made.older, made.newer):
        assert reading.check(made.store(), one.key, keys=made.keys) == one
        for part in one.parts:
            read = b"".join(reading.extract(made.store(), one.key, part.name, keys=made.keys))
            assert len(read) == part.plain_size
            assert manifests.sha256(read) == part.plain_sha256


@pytest.mark.usefixtures("_nothing_written")
def test_what_changes_between_the_check_and_the_reading_is_refused_too(made: Made) -> None:
    store = made.store()
    reading.check(store, made.newer.key, keys=made.keys)
    name = object_name(made.newer.key, "files.tar")
    store.objects[name] = flipped(store.objects[name], -7 % len(store.objects[name]), random.Random(1))
    with pytest.raises(Altered):
        b"".join(reading.extract(store, made.newer.key, "files.tar", keys=made.keys))


def test_nobody_without_the_key_reads_one(made: Made) -> None:
    with pytest.raises(WrongKey):
        reading.check(made.store(), made.newer.key, keys=[FOREIGN])


def test_what_another_store_or_the_database_knows_better_is_a_replay(
    made: Made, db: None, settings: Any, tmp_path: Any
) -> None:
    """Both manifests are signed and of this very backup; which is the later one only others can tell."""
    from datetime import timedelta

    from clinchat.lib import clock
    from compliance.continuity.storage import stores
    from compliance.models import Backup

    store, later = made.store(), replace(made.newer, made_at=made.newer.made_at + timedelta(seconds=1))
    settings.BACKUP_STORES = [str(tmp_path)]
    stores.primary().put(object_name(later.key, MANIFEST), [manifests.serialize(later, key=made.keys[0])])
    with pytest.raises(Replayed):
        reading.check(store, made.newer.key, keys=made.keys)
    settings.BACKUP_STORES = []
    known = Backup(pk=made.newer.id, name="x", environment="local", state="complete", finished_at=clock.now())
    known.manifest_sha256 = manifests.sha256(manifests.serialize(later, key=made.keys[0]))
    known.save(force_insert=True)
    with pytest.raises(Replayed):
        reading.check(store, made.newer.key, keys=made.keys)
