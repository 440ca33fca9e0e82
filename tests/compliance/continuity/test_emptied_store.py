"""A store that holds nothing of what was put there is refused, until somebody says that it begins anew.

Its disk is not mounted and leaves an empty folder, the bucket was emptied, or another one has its name.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from clinchat.lib import clock
from clinchat.local.folders import private_folder
from compliance.continuity.backup import backups, key_copies, manifests, pruning, reading, store_identity
from compliance.continuity.point_in_time import moment, shipping, wal
from compliance.continuity.point_in_time.shipping_record import ShippingStatus
from compliance.continuity.refusals import MANIFEST, StoreEmptied, StoreFailed
from compliance.continuity.storage import keys, stores
from compliance.models import Backup, Notice
from tests import cast
from tests.compliance.continuity import live as lives
from tests.compliance.continuity.live import Live, eventually

MANUAL = Backup.Type.MANUAL
REFUSED = "Is its disk mounted"


@pytest.fixture
def place(settings: Any, tmp_path: Path) -> Path:
    settings.BACKUP_STORES = [str(tmp_path / "store")]
    return tmp_path / "store"


@pytest.fixture
def two(settings: Any, tmp_path: Path) -> list[Path]:
    settings.BACKUP_STORES = [str(tmp_path / "one"), str(tmp_path / "two")]
    return [tmp_path / "one", tmp_path / "two"]


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("backup", *words, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def unmount(place: Path) -> Path:
    """Leave the mount point; returns where the disk is."""
    away = place.rename(place.with_name(f"{place.name}-disk"))
    place.mkdir()
    return away


def mount(away: Path, place: Path) -> None:
    assert list(place.iterdir()) == [], "something was written beside the disk"
    place.rmdir()
    away.rename(place)


# ── Commands ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.django_db(transaction=True)
def test_nothing_is_written_where_the_disk_is_not_mounted(place: Path) -> None:
    operator = cast.otto()
    made = backups.create(type=MANUAL)
    away = unmount(place)
    for words in (["create"], ["create", "--kind", "base"], ["list"], ["verify"], ["verify", made.key]):
        with pytest.raises(CommandError, match=REFUSED) as refused:
            run(*words)
        assert refused.value.returncode == 1, words
        assert str(place) in str(refused.value)
        assert "manage.py backup new-store" in str(refused.value)
    done = pruning.prune()
    assert done.removed == done.unfinished == []
    assert REFUSED in "".join(done.failed)
    with pytest.raises(StoreFailed, match=REFUSED):
        key_copies.write()
    failed = Backup.objects.get(state=Backup.State.FAILED, kind=Backup.Kind.FULL)
    assert "manage.py backup new-store" in failed.failure
    assert REFUSED in Notice.objects.filter(user=operator).latest("created_at").text
    made.refresh_from_db()
    assert (made.stores, made.verified_ok) == ([str(place)], None)
    mount(away, place)
    assert backups.create(type=MANUAL).stores == [str(place)]
    assert reading.verify(made.key).key == made.key


@pytest.mark.django_db(transaction=True)
def test_a_folder_that_is_gone_is_not_made_again(place: Path) -> None:
    backups.create(type=MANUAL)
    shutil.rmtree(place)
    with pytest.raises(backups.BackupFailed, match=REFUSED):
        backups.create(type=MANUAL)
    assert not place.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_stores_the_second_one_is_left_out(two: list[Path]) -> None:
    one, other = two
    first = backups.create(type=MANUAL)
    assert first.stores == [str(one), str(other)]
    away = unmount(other)
    made = backups.create(type=MANUAL)
    assert (made.state, made.stores) == ("complete", [str(one)])
    assert made.failure.startswith(str(other))
    with pytest.raises(StoreFailed, match=REFUSED):
        key_copies.write()  # the keys that were destroyed lie on that disk
    done = pruning.prune()
    assert [str(other) in words for words in done.failed] == [True]
    mount(away, other)
    assert backups.create(type=MANUAL).stores == [str(one), str(other)]
    first.refresh_from_db()
    assert first.stores == [str(one), str(other)]


@pytest.mark.django_db(transaction=True)
def test_a_killed_backup_is_settled_when_its_disk_is_back(place: Path) -> None:
    """Whether it was done, the empty folder does not say."""
    backups.create(type=MANUAL, name="before")
    killed = backups.create(type=MANUAL, name="killed")
    Backup.objects.filter(pk=killed.pk).update(state="running", finished_at=None, manifest_sha256="", stores=[])
    away = unmount(place)
    assert backups.settle() == 0
    killed.refresh_from_db()
    assert killed.state == "running"
    mount(away, place)
    assert backups.settle() == 1
    killed.refresh_from_db()
    assert (killed.state, killed.stores) == ("complete", [str(place)])


# ── What is expected ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.django_db(transaction=True)
def test_only_what_nobody_may_have_removed_is_expected(place: Path) -> None:
    """A process that is killed between removing and noting it leaves no store that is refused."""
    store = stores.primary()
    assert store_identity.expected_keys(store) == []
    old, new = (backups.create(type=MANUAL, name=name) for name in ("old", "new"))
    assert store_identity.expected_keys(store) == [new.key, old.key]
    over = clock.now() - timedelta(days=1)
    Backup.objects.update(keep_until=over)
    assert store_identity.expected_keys(store) == [new.key], "the newest one is spared whatever its time"
    Backup.objects.filter(pk=old.pk).update(verified_ok=True)
    assert store_identity.expected_keys(store) == [old.key], "and if one was read back, the newest of those"
    shutil.rmtree(place / "backups" / new.key)
    store_identity.require(store)
    shutil.rmtree(place / "backups" / old.key)
    with pytest.raises(StoreEmptied, match="the backup put there"):
        store_identity.require(store)
    Backup.objects.update(stores=["/another"])
    assert store_identity.expected_keys(store) == []


@pytest.mark.django_db(transaction=True)
def test_one_of_them_is_enough(place: Path) -> None:
    left, gone = (backups.create(type=MANUAL, name=name) for name in ("left", "gone"))
    shutil.rmtree(place / "backups" / gone.key)
    assert pruning.prune().kept == [left.key]


@pytest.mark.django_db(transaction=True)
def test_a_lost_database_expects_nothing(place: Path) -> None:
    """Its backups are listed and read all the same: that is what they are for."""
    made = backups.create(type=MANUAL)
    call_command("flush", interactive=False, verbosity=0)
    assert made.key in run("list")
    assert reading.check(stores.primary(), made.key).key == made.key
    shutil.rmtree(place / "backups")
    assert "0 in" in run("list")
    assert backups.create(type=MANUAL).state == "complete"


@pytest.mark.django_db(transaction=True)
def test_a_backup_that_is_there_is_read_whatever_else_is_not(place: Path) -> None:
    """Somebody brought the one that counts on another disk."""
    missing, brought = (backups.create(type=MANUAL, name=name) for name in ("missing", "brought"))
    Backup.objects.filter(pk=brought.pk).update(stores=["/another"])
    shutil.rmtree(place / "backups" / missing.key)
    with pytest.raises(StoreEmptied):
        reading.list_manifests()
    assert reading.check(stores.primary(), brought.key).key == brought.key


# ── Beginning anew ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("folder", [True, False], ids=["an empty folder", "no folder"])
def test_a_store_begins_anew_when_somebody_says_so(place: Path, *, folder: bool) -> None:
    old = backups.create(type=MANUAL, name="old")
    away = unmount(place)
    if not folder:
        place.rmdir()
    assert "1 earlier" in run("new-store", str(place))
    new = backups.create(type=MANUAL, name="new")
    assert new.stores == [str(place)]
    assert "1 in" in run("list")
    old.refresh_from_db()
    assert (old.state, old.stores) == ("complete", [])
    (away / "backups" / old.key).rename(place / "backups" / old.key)  # what turns up again is noted
    pruning.prune()
    old.refresh_from_db()
    assert old.stores == [str(place)]


@pytest.mark.django_db(transaction=True)
def test_a_store_does_not_begin_anew_without_need(place: Path) -> None:
    with pytest.raises(CommandError, match="Nothing is expected"):
        run("new-store", str(place))
    made = backups.create(type=MANUAL)
    with pytest.raises(CommandError, match="holds backups"):
        run("new-store", str(place))
    with pytest.raises(CommandError, match="no such store"):
        run("new-store", "/another")
    made.refresh_from_db()
    assert made.stores == [str(place)]


@pytest.mark.django_db(transaction=True)
def test_one_of_two_begins_anew_and_the_other_keeps_what_it_has(two: list[Path]) -> None:
    old = backups.create(type=MANUAL)
    unmount(two[0])
    run("new-store", str(two[0]))
    old.refresh_from_db()
    assert old.stores == [str(two[1])]
    assert backups.create(type=MANUAL).stores == [str(each) for each in two]


# ── A bucket ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def bucket(settings: Any) -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings.S3_URL, settings.S3_ACCESS_KEY, settings.S3_SECRET_KEY = f"http://{host}:{port}", "testing", "testing"
    settings.BACKUP_STORES = [f"s3://emptied-{os.urandom(4).hex()}/of/clinchat"]
    name = settings.BACKUP_STORES[0].split("/")[2]
    stores.primary()._s3.create_bucket(Bucket=name)  # type: ignore[attr-defined]
    yield name
    server.stop()


@pytest.mark.django_db(transaction=True)
def test_a_bucket_that_was_emptied_is_refused_too(bucket: str) -> None:
    made = backups.create(type=MANUAL)
    s3 = stores.primary()._s3  # type: ignore[attr-defined]
    for one in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        s3.delete_object(Bucket=bucket, Key=one["Key"])
    for words in (["create"], ["list"]):
        with pytest.raises(CommandError, match="Is it the right one"):
            run(*words)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    run("new-store", stores.primary().name)
    assert backups.create(type=MANUAL).state == "complete"
    made.refresh_from_db()
    assert made.stores == []


# ── The log ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class ByHand:
    """A shipper that does a turn when it is told."""

    live: Live
    shipper: shipping.Shipper
    turns: list[ShippingStatus]

    def turn(self) -> ShippingStatus:
        self.shipper.ship_once()
        return self.turns[-1]

    def write(self) -> None:
        with self.live.server.connect() as connection:
            row = connection.execute("INSERT INTO beat VALUES (clock_timestamp()) RETURNING at").fetchone()
            connection.execute("SELECT pg_switch_wal()")
        self.live.beats += row or ()

    def write_and_ship(self) -> None:
        """A row, and turns until the store says that it has it."""
        self.write()

        def told() -> bool:
            return not self.turn().failure and self.live.kept.as_of > self.live.beats[-1]

        eventually(told)


@pytest.fixture
def by_hand(tmp_path: Path) -> Iterator[ByHand]:
    turns: list[ShippingStatus] = []
    with lives.in_memory(), lives.live(tmp_path / "store") as live:
        private_folder(wal.spool_folder())
        shipper = shipping.Shipper(
            conninfo=live.server.conninfo(),
            into=[live.store],
            check_store=shipping.check_by_record,
            ring=keys.ring(),
            report=turns.append,
        )
        yield ByHand(live, shipper, turns)
        shipper.close()


def known_backup(place: Path) -> str:
    """As the database knows one that is in that store."""
    backup = Backup(state="complete", stores=[str(place)], manifest_sha256="0" * 64, name="Known", environment="test")
    backup.as_of = backup.finished_at = clock.now()
    backup.keep_until = clock.now() + timedelta(days=7)
    backup.key = manifests.folder_name(str(backup.pk), clock.now())
    backup.save(force_insert=True)
    return backup.key


@pytest.mark.django_db(transaction=True)
def test_the_log_does_not_go_beside_a_disk_that_was_taken_away(by_hand: ByHand) -> None:
    """While it is shipped; it goes on, without a gap, when the disk is back."""
    live, place = by_hand.live, Path(by_hand.live.store.name)
    by_hand.write_and_ship()
    live.store.put(manifests.object_name(known_backup(place), MANIFEST), [b"{}"])
    copy, since = live.copy(), live.kept.since
    by_hand.write_and_ship()
    away = unmount(place)
    by_hand.write()
    eventually(lambda: REFUSED in by_hand.turn().failure)
    assert REFUSED in by_hand.turn().failure, "not only once"
    mount(away, place)
    by_hand.write_and_ship()
    assert live.kept.since == since
    with moment.recovered_server(lives.laid_out(copy), live.store) as server:
        assert lives.beats(server) == live.beats


@pytest.mark.django_db(transaction=True)
def test_a_shipper_that_starts_before_its_disk_is_mounted_writes_nothing(by_hand: ByHand) -> None:
    place = Path(by_hand.live.store.name)
    place.mkdir()
    key = known_backup(place)
    for _ in range(3):
        eventually(lambda: REFUSED in by_hand.turn().failure)
    assert list(place.iterdir()) == []
    by_hand.live.store.put(manifests.object_name(key, MANIFEST), [b"{}"])
    by_hand.write_and_ship()


@pytest.mark.django_db(transaction=True)
def test_the_log_goes_into_a_store_that_begins_anew(by_hand: ByHand, settings: Any) -> None:
    """Without the shipper being started again."""
    place = Path(by_hand.live.store.name)
    settings.BACKUP_STORES = [str(place)]
    by_hand.write_and_ship()
    known_backup(place)
    since, _ = by_hand.live.kept.since, unmount(place)
    by_hand.write()
    eventually(lambda: REFUSED in by_hand.turn().failure)
    run("new-store", str(place))
    by_hand.write_and_ship()
    assert by_hand.live.kept.since > since
