"""Stores keep what they are given: a folder, a bucket, and a bucket with object lock (moto's server)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from clinchat.lib import clock
from compliance.continuity.refusals import Absent, Retained, StoreFailed
from compliance.continuity.storage import bucket, stores
from compliance.continuity.storage.folder import Folder
from compliance.continuity.storage.replicas import Replicas
from compliance.continuity.storage.stores import Store

HOUR = timedelta(hours=1)
NAME = "backups/20261122T160300Z-0a1b2c3d/database.dump"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "bucket", "locked"])
def store(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> Store:
    if request.param == "folder":
        settings.BACKUP_STORES = [str(tmp_path / "backups")]
        (tmp_path / "backups").mkdir()
    else:
        address = request.getfixturevalue("address")
        settings.S3_URL, settings.S3_ACCESS_KEY, settings.S3_SECRET_KEY = address, "testing", "testing"
        name = f"{request.param}-{os.urandom(4).hex()}"
        settings.BACKUP_STORES = [f"s3://{name}/of/clinchat"]
        client(stores.primary()).create_bucket(Bucket=name, ObjectLockEnabledForBucket=request.param == "locked")
    return stores.primary()


def client(store: Store) -> Any:
    assert isinstance(store, bucket.Bucket)
    return store._s3


def test_what_is_put_comes_back(store: Store) -> None:
    assert list(store.list()) == []
    assert store.put(NAME, [b"one", b"", b"two"]) == 6
    assert store.put("keys/data-keys", []) == 0
    assert b"".join(store.open(NAME)) == b"onetwo"
    assert stores.read_object(store, "keys/data-keys", max_bytes=5) == b""
    assert [(entry.name, entry.size) for entry in store.list()] == [(NAME, 6), ("keys/data-keys", 0)]
    assert [entry.name for entry in store.list("keys/")] == ["keys/data-keys"]
    assert all(abs((clock.now() - entry.modified).total_seconds()) < 60 for entry in store.list())
    with pytest.raises(StoreFailed, match="larger"):
        stores.read_object(store, NAME, max_bytes=5)
    store.delete(NAME)
    store.delete(NAME)
    with pytest.raises(Absent):
        b"".join(store.open(NAME))


def test_nothing_is_there_before_it_is_whole(store: Store) -> None:
    def broken() -> Iterator[bytes]:
        yield bytes(40 * 2**20)
        assert list(store.list()) == []
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.put(NAME, broken())
    assert list(store.list()) == []
    assert store.remove_unfinished(clock.now() + HOUR) == 0


def test_much_comes_back_as_it_went_in(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "_MIN_PART", 5 * 2**20)
    data = os.urandom(11 * 2**20 + 3)
    pieces = [data[at : at + 2**20 - 1] for at in range(0, len(data), 2**20 - 1)]
    assert store.put(NAME, iter(pieces), keep_until=clock.now() + HOUR) == len(data)
    assert b"".join(store.open(NAME)) == data
    with pytest.raises(Retained):
        store.delete(NAME)


def test_what_is_kept_stays_until_its_time_and_not_longer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    soon, later = clock.now() + HOUR, clock.now() + 2 * HOUR
    store.put("a", [b"1"], keep_until=soon)
    store.put("b", [b"1"])
    store.retain("b", soon)
    store.put("c", [b"1"], keep_until=later)
    store.retain("c", soon)  # not shortened
    with pytest.raises(Absent):
        store.retain("d", soon)
    for name in "abc":
        with pytest.raises(Retained):
            store.delete(name)
        with pytest.raises(Retained):
            store.put(name, [b"2"])
    just_after = soon + timedelta(seconds=0.1)
    monkeypatch.setattr(clock, "now", lambda: just_after)
    monkeypatch.setattr("moto.s3.models.utcnow", lambda: just_after.replace(tzinfo=None))
    store.delete("a")
    store.put("b", [b"2"])
    with pytest.raises(Retained):
        store.delete("c")
    assert [(entry.name, b"".join(store.open(entry.name))) for entry in store.list()] == [("b", b"2"), ("c", b"1")]


def test_what_replaces_something_leaves_nothing_of_it(store: Store) -> None:
    for value in (b"old", b"new"):
        store.put("keys/data-keys", [value])
    assert b"".join(store.open("keys/data-keys")) == b"new"
    if store.enforces_retention:  # such a bucket has versions
        assert len(client(store).list_object_versions(Bucket=store.name.split("/")[2])["Versions"]) == 1


def test_no_name_leads_out_of_the_store(store: Store) -> None:
    for name in ("../x", "a/../../x", "/etc/passwd", "", "a//b", ".hidden", "a/.b", "a\n"):
        with pytest.raises(ValueError, match="no name of"):
            store.put(name, [b"x"])


def test_object_lock_binds_whoever_has_the_account(address: str, settings: Any) -> None:
    settings.S3_URL, settings.S3_ACCESS_KEY, settings.S3_SECRET_KEY = address, "testing", "testing"
    settings.BACKUP_STORES = ["s3://locked-for-good"]
    locked = stores.primary()
    client(locked).create_bucket(Bucket="locked-for-good", ObjectLockEnabledForBucket=True)
    assert locked.enforces_retention
    locked.put(NAME, [b"1"], keep_until=clock.now() + HOUR)
    (version,) = client(locked).list_object_versions(Bucket="locked-for-good")["Versions"]
    with pytest.raises(client(locked).exceptions.ClientError, match="AccessDenied"):
        client(locked).delete_object(Bucket="locked-for-good", Key=NAME, VersionId=version["VersionId"])


def test_a_store_that_is_away_says_so_without_its_credentials(settings: Any, tmp_path: Path) -> None:
    settings.S3_URL, settings.S3_ACCESS_KEY, settings.S3_SECRET_KEY = "http://127.0.0.1:9", "akid", "swordfish"
    (tmp_path / "file").write_text("")
    for name in ("s3://nowhere", str(tmp_path / "file" / "backups")):
        settings.BACKUP_STORES = [name]
        with pytest.raises(StoreFailed) as failed:
            stores.primary().put(NAME, [b"x"])
        assert name in failed.value.words
        assert not re.search(r"[a-z][A-Z]|Error", failed.value.words.replace(name, "")), "words of a program"
        assert "swordfish" not in failed.value.words
    settings.BACKUP_STORES = []
    with pytest.raises(StoreFailed, match="CLINCHAT_BACKUPS"):
        stores.primary()


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    store = Folder(str(tmp_path / "deep" / "backups"))
    store.put(NAME, [b"x"], keep_until=clock.now() + HOUR)
    for path in (tmp_path / "deep").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_folder_that_cannot_be_looked_into_is_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="Is its disk mounted"):
        list(Folder(str(tmp_path / "none")).list())
    (tmp_path / "file").write_text("")
    unusable = Folder(str(tmp_path / "file"))
    with pytest.raises(StoreFailed, match="Not a directory"):
        list(unusable.list())
    with pytest.raises(StoreFailed, match="Not a directory"):
        unusable.remove_unfinished(clock.now())


def test_drafts_of_a_killed_process_are_swept_in_time(tmp_path: Path) -> None:
    store = Folder(str(tmp_path))
    store.put(NAME, [b"x"])
    draft = (tmp_path / NAME).with_name(".draft-0011")
    draft.write_bytes(b"half")
    assert [entry.name for entry in store.list()] == [NAME]
    assert store.remove_unfinished(clock.now() - HOUR) == 0
    assert store.remove_unfinished(clock.now() + HOUR) == 1
    assert not draft.exists()


def test_copies_go_everywhere_and_a_store_that_fails_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    good, bad, other = (Folder(str(tmp_path / name)) for name in ("good", "file/bad", "other"))
    replicas = Replicas([good, bad, other])
    replicas.put("a", (bytes([n]) * 2**20 for n in range(20)))
    replicas.put("b", [b"x"])
    replicas.retain("b", clock.now() + HOUR)
    assert [store.name for store in replicas.stores] == [good.name, other.name]
    assert list(replicas.failures) == [bad.name]
    for store in (good, other):
        assert [(entry.name, entry.size) for entry in store.list()] == [("a", 20 * 2**20), ("b", 1)]
    replicas.delete(["a", "b"])  # the second one is kept
    assert [entry.name for entry in good.list()] == ["b"]


def test_without_the_first_store_nothing_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    bad, good = Folder(str(tmp_path / "file" / "bad")), Folder(str(tmp_path / "good"))
    given: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(500):
            given.append(number)
            yield bytes(2**20)

    with pytest.raises(StoreFailed):
        Replicas([bad, good]).put("a", chunks())
    assert len(given) < 500
    assert list(good.list()) == []


def test_who_gives_the_pieces_may_fail(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x"
        raise ZeroDivisionError

    folders = [Folder(str(tmp_path / name)) for name in ("one", "two")]
    replicas = Replicas(folders)
    with pytest.raises(ZeroDivisionError):
        replicas.put("a", chunks())
    assert [list(store.list()) for store in folders] == [[], []]
    assert replicas.failures == {}
