"""The database as it was at a moment: to the second, or refused."""

from __future__ import annotations

import gzip
import io
import os
import random
import shutil
import tarfile
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest
from django.conf import settings

from compliance.continuity.backup import manifests
from compliance.continuity.backup.manifests import Manifest, Part
from compliance.continuity.point_in_time import base, moment, wal
from compliance.continuity.point_in_time.base import WalRange
from compliance.continuity.point_in_time.wal import OutsideRecoveryWindow, WalMissing
from compliance.continuity.refusals import MANIFEST, Altered, Truncated, WrongKey
from compliance.continuity.storage import keys, streams
from compliance.continuity.storage.folder import Folder
from tests.compliance.continuity import live as lives
from tests.compliance.continuity.live import beats, laid_out, segments

SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module", autouse=True)
def _var() -> Iterator[None]:
    with lives.in_memory():
        yield


@dataclass
class Past:
    """What was written, and what is left of it: a copy of the files, and a store with the log."""

    beats: list[datetime]
    copy: bytes
    wal_range: WalRange
    copied: datetime
    as_of: datetime
    store: Folder


@pytest.fixture(scope="module")
def past() -> Past:
    with lives.live(settings.VAR / "store") as live, live.shipped(), live.written():
        live.caught_up()
        copy = live.copy()
        copied = live.caught_up()
        for _ in range(3):
            live.fill(8)
            time.sleep(1)
        live.caught_up()
    wal_range = base.unpack([copy], _new("copy"))
    return Past(live.beats, copy, wal_range, copied, live.kept.as_of, live.store)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = _new("folder")
    yield made
    shutil.rmtree(made)


@pytest.fixture
def spare(past: Past, folder: Path) -> Folder:
    """A copy of the store that may be damaged."""
    store = Folder(str(folder / "store"))
    for entry in past.store.list(""):
        store.put(entry.name, past.store.open(entry.name))
    return store


def as_at(past: Past, chosen: datetime) -> list[list[datetime]]:
    """All that was written before it, in order; the last one may have been written then and committed after it."""
    written = [at for at in past.beats if at <= chosen]
    return [written, written[:-1]]


def test_ten_of_ten_moments_within_a_second(past: Past) -> None:
    chance = random.Random(10)
    known = [
        at
        for before, at in pairwise(past.beats)
        if past.copied < at < past.as_of - SECOND / 2 and at - before < SECOND / 4  # a busy machine may write rarely
    ]
    for number in range(10):
        beat = known[int(len(known) * (number + chance.random()) / 10)]
        chosen = beat + SECOND / 2 * chance.random()
        with moment.recovered_server(laid_out(past.copy), past.store, until=chosen) as server:
            found = beats(server)
        assert chosen - SECOND < found[-1] <= chosen
        assert found in as_at(past, chosen)


def test_the_last_that_is_in_the_store(past: Past) -> None:
    with moment.recovered_server(laid_out(past.copy), past.store) as server:
        found = beats(server)
        with server.connect() as connection:
            assert connection.execute("SELECT pg_is_in_recovery(), count(*) > 20000 FROM bulk").fetchone() == (
                False,
                True,
            )
    assert found == past.beats[: len(found)]
    assert len(found) >= len(as_at(past, past.as_of)[1])


def test_a_moment_after_which_nothing_was_committed(folder: Path) -> None:
    """PostgreSQL would refuse: its log ends before it could know that the moment was reached."""
    with lives.live(folder / "store") as live, live.shipped():
        live.caught_up()
        copy = live.copy()
        with live.written():
            live.caught_up()
        as_of = live.caught_up()
        with moment.recovered_server(laid_out(copy), live.store, until=as_of) as server:
            assert beats(server) == live.beats


def test_a_moment_that_is_not_in_the_store_yet(past: Past) -> None:
    with (
        pytest.raises(OutsideRecoveryWindow) as raised,
        moment.recovered_server(laid_out(past.copy), past.store, until=past.as_of + SECOND),
    ):
        pass
    assert wal.format_time(past.as_of) in raised.value.words


def test_a_missing_segment_is_refused(past: Past, spare: Folder, folder: Path) -> None:
    lost = segments(spare)[-2]
    Path(spare.name, lost).unlink()
    early = past.copied + timedelta(microseconds=1)  # what comes in the next minute is read too, to be sure
    for until in (None, early):
        with pytest.raises(WalMissing, match=lost.rpartition("/")[2]):
            wal.download(spare, past.wal_range, folder, until=until)


@pytest.mark.parametrize("place", [0.0, 0.0005, 0.5, 0.9999])
def test_a_flipped_bit_in_the_log_is_refused(past: Past, spare: Folder, folder: Path, place: float) -> None:
    path = Path(spare.name, segments(spare)[-2])
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1
    path.write_bytes(data)
    with pytest.raises((Altered, WrongKey)):
        wal.download(spare, past.wal_range, folder)
    assert not (folder / path.name).exists()


def test_segments_that_changed_places_are_refused(past: Past, spare: Folder, folder: Path) -> None:
    one, other = (Path(spare.name, name) for name in segments(spare)[-3:-1])
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)
    with pytest.raises(Altered):
        wal.download(spare, past.wal_range, folder)


def test_a_segment_that_was_cut_off_is_refused(past: Past, spare: Folder, folder: Path) -> None:
    path = Path(spare.name, segments(spare)[-2])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises((Altered, Truncated)):
        wal.download(spare, past.wal_range, folder)


def test_nothing_starts_from_a_damaged_store(past: Past, spare: Folder) -> None:
    Path(spare.name, segments(spare)[-2]).unlink()
    with pytest.raises(WalMissing), moment.recovered_server(laid_out(past.copy), spare):
        pass
    assert list((settings.VAR / "scratch").iterdir()) == []


def test_another_key_is_refused(past: Past, folder: Path) -> None:
    ring = [keys.derive(bytes(32))]
    with pytest.raises(WrongKey):
        wal.read_states(past.store, ring=ring)
    with pytest.raises(WrongKey):
        wal.download(past.store, past.wal_range, folder, ring=ring)


@pytest.mark.parametrize("place", [0.1, 0.5, 0.99])
def test_a_flipped_bit_in_the_copy_is_refused(past: Past, folder: Path, place: float) -> None:
    """Without the encryption around it: the copy's own list notices too."""
    data = bytearray(gzip.decompress(past.copy))
    data[_inside_a_file(bytes(data), place)] ^= 1
    with pytest.raises(Altered):
        base.unpack([gzip.compress(data, 1)], folder)


def test_a_copy_that_was_cut_off_is_refused(past: Past, folder: Path) -> None:
    with pytest.raises(Truncated):
        base.unpack([past.copy[: len(past.copy) // 2]], folder)


# ── From a backup in the store ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def backup(past: Past, spare: Folder) -> Folder:
    """The store with the copy in it, as `backup create` leaves one."""
    _keep(spare, past.copy, past.copied)
    return spare


@pytest.mark.django_db
def test_the_newest_copy_before_the_moment_is_taken(past: Past, backup: Folder) -> None:
    _keep(backup, b"no copy, and later than the moment", past.as_of - SECOND)
    chosen = past.as_of - 2 * SECOND
    with moment.server_at(chosen, store=backup) as server:
        assert beats(server) in as_at(past, chosen)
    assert moment.recovery_window(backup) == (past.copied, past.as_of)


@pytest.mark.django_db
def test_the_last_of_a_backup(past: Past, backup: Folder) -> None:
    with moment.server_at(None, store=backup) as server:
        found = beats(server)
    assert found == past.beats[: len(found)]
    assert len(found) >= len(as_at(past, past.as_of)[1])


@pytest.mark.django_db
def test_the_log_of_a_lost_server_is_of_use_when_another_one_has_begun(past: Past, backup: Folder) -> None:
    since, until = past.as_of + SECOND, past.as_of + 3 * SECOND
    later = replace(wal.read_states(backup)[-1], system="1", since=since, as_of=until)
    wal.write_state(backup, later, key=keys.newest())
    _keep(backup, b"of the new server", since)
    assert moment.recovery_window(backup) == (since, until)
    with moment.server_at(past.as_of - SECOND, store=backup) as server:
        assert beats(server)[-1] <= past.as_of - SECOND
    with (
        pytest.raises(OutsideRecoveryWindow, match=r"from .* UTC and from .* UTC"),
        moment.server_at(until + SECOND, store=backup),
    ):
        pass


@pytest.mark.django_db
def test_moments_that_cannot_be_gone_back_to(past: Past, backup: Folder) -> None:
    for chosen in (past.copied - SECOND, past.as_of + SECOND):
        with (
            pytest.raises(OutsideRecoveryWindow, match=r"One can go back to moments from .* UTC to .* UTC"),
            moment.server_at(chosen, store=backup),
        ):
            pass


@pytest.mark.django_db
def test_a_store_without_a_copy(past: Past, spare: Folder) -> None:
    with pytest.raises(OutsideRecoveryWindow, match="no copy yet"), moment.server_at(None, store=spare):
        pass


@pytest.mark.django_db
def test_a_flipped_bit_in_a_stored_copy_is_refused(past: Past, backup: Folder) -> None:
    path = next(Path(backup.name).glob("backups/*/base.tar.gz"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(Altered), moment.server_at(None, store=backup):
        pass


@pytest.mark.django_db
def test_the_log_is_kept_as_long_as_a_copy_needs_it(past: Past, backup: Folder) -> None:
    there = segments(backup)
    month = timedelta(days=30).total_seconds()
    for name in there[:2]:
        os.utime(Path(backup.name, name), (time.time() - month, time.time() - month))
        Path(backup.name, name).with_name(f".{Path(name).name}.kept").unlink(missing_ok=True)
    assert wal.prune(backup, dry_run=True) == 2
    assert segments(backup) == there
    assert wal.prune(backup) == 2
    assert segments(backup) == there[2:]


def _keep(store: Folder, copy: bytes, as_of: datetime) -> None:
    """A backup of the kind `base`, signed."""
    id_, key = uuid.uuid4(), keys.newest()
    folder = manifests.folder_name(str(id_), as_of)
    sealed = b"".join(streams.encrypt([copy], key=key, context=f"{id_}/base.tar.gz"))
    part = Part("base.tar.gz", len(sealed), sha256(sealed).hexdigest(), len(copy), sha256(copy).hexdigest())
    manifest = Manifest(
        id=str(id_),
        key=folder,
        kind="base",
        type="scheduled",
        name="Copy",
        environment="local",
        as_of=as_of,
        made_at=as_of,
        keep_until=as_of + timedelta(days=7),
        app_version="0",
        schema={},
        tools={},
        parts=(part,),
    )
    store.put(manifests.object_name(folder, "base.tar.gz"), [sealed])
    store.put(manifests.object_name(folder, MANIFEST), [manifests.serialize(manifest, key=key)])


def _new(name: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=settings.VAR))


def _inside_a_file(copy: bytes, place: float) -> int:
    """A place among the bytes of a file, and not of what tar says of it or fills it up with."""
    with tarfile.open(fileobj=io.BytesIO(copy)) as tar:
        large = [member for member in tar if member.isfile() and member.size > 8192]
    chosen = large[int(place * len(large))]
    return chosen.offset_data + chosen.size // 2
