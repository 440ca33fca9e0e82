"""The log is shipped without a gap, whatever is killed, and says honestly how far it is."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings

from compliance.continuity import scratch
from compliance.continuity.point_in_time import moment, shipping, wal
from compliance.continuity.storage.folder import Folder
from tests.compliance.continuity import live as lives
from tests.compliance.continuity.live import Live, beats, eventually, laid_out, segments

EVERY = 1.0
"""Seconds from one shipment to the next."""
AWAY = "The database does not answer."


@pytest.fixture(scope="module", autouse=True)
def _var() -> Iterator[None]:
    with lives.in_memory():
        yield


@pytest.fixture
def store() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(dir=settings.VAR))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def live(store: Path) -> Iterator[Live]:
    with lives.live(store) as live:
        yield live


def restored(live: Live, copy: bytes) -> list[datetime]:
    with moment.recovered_server(laid_out(copy), live.store) as server:
        return beats(server)


def holds(found: list[datetime], live: Live, as_of: datetime) -> bool:
    """All that was committed by then, in order; one row may have been written before that and committed after it.

    And one may be committed that its writer was not told of, because the server was lost.
    """
    written, known = [at for at in live.beats if at <= as_of], live.beats[: len(found)]
    return found[: len(known)] == known and len(found) - len(known) <= 1 and len(written) - len(found) <= 1


# ── Everything is lost ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_whole_machine_is_lost_while_somebody_writes(live: Live) -> None:
    """Server and shipper die at once, and of the server nothing is left: how much is lost is the RPO."""
    follower = live.follower(seconds=EVERY)
    try:
        copy = live.copy()
        with live.written():
            eventually(lambda: live.beats and live.kept.as_of > live.beats[0])
            time.sleep(random.random() * EVERY)
            follower.kill()
            live.server.kill()
    finally:
        follower.kill()
        follower.communicate()
    shutil.rmtree(live.server.data)
    found = restored(live, copy)
    assert holds(found, live, live.kept.as_of), "no more is lost than what was written since the last shipment"
    assert len(found) > 0


def test_the_server_is_lost_and_the_shipper_lives(live: Live) -> None:
    """It ships what the server had sent until its last moment."""
    with live.shipped(seconds=shipping.SECONDS):
        eventually(lambda: live.as_of)
        copy = live.copy()
        with live.written():
            eventually(lambda: len(live.beats) > 75)
            live.server.kill()
        shutil.rmtree(live.server.data)
        eventually(lambda: live.turns[-1].failure == AWAY)
    found = restored(live, copy)
    assert holds(found, live, live.beats[-1] - timedelta(seconds=1))
    assert len(found) > 0


# ── Somebody is killed, or away ────────────────────────────────────────────────────────────────────────────────


def test_a_shipper_that_is_killed_goes_on_where_it_was(live: Live) -> None:
    chance = random.Random(9)
    first = live.follower()
    copy, since = live.copy(), live.kept.since
    with live.written():
        for follower in [first, None]:
            running = follower or live.follower()
            live.fill(20)
            time.sleep(chance.random() / 2)
            running.kill()
            running.communicate()
            live.fill(5)
        with live.shipped():
            live.caught_up()
    with live.shipped():
        live.caught_up()
    assert live.kept.since == since
    numbers = [live.kept.segment_number(Path(name).name) for name in segments(live.store)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert restored(live, copy) == live.beats


def test_a_server_that_starts_again(live: Live) -> None:
    with live.shipped():
        live.caught_up()
        copy, since = live.copy(), live.kept.since
        live.server.stop()
        eventually(lambda: live.turns[-1].failure == AWAY)
        live.server.start()
        with live.written():
            live.caught_up()
        live.caught_up()
        eventually(lambda: live.turns[-1].failure == "")
    assert live.kept.since == since
    assert restored(live, copy) == live.beats


def test_a_store_that_is_away_for_a_while_gets_all_of_it(live: Live, store: Path) -> None:
    other = Folder(str(store / "other"))
    Path(other.name).touch()  # what should be a folder
    with live.shipped(live.store, other):
        live.caught_up()
        live.fill(40)
        before = live.caught_up()  # the first store goes on
        assert live.turns[-1].failure
        waiting = wal.spool_folder() / live.kept.system
        assert len(list(waiting.iterdir())) > 2
        Path(other.name).unlink()
        live.fill(20)
        eventually(lambda: live.turns[-1].failure == "")
        live.caught_up()
        eventually(lambda: len(list(waiting.iterdir())) < 2)
    theirs = wal.read_states(other)[-1]
    assert (theirs.position, theirs.as_of) == (live.kept.position, live.kept.as_of)
    assert live.kept.as_of > before
    assert set(segments(live.store)[1:]) <= set(segments(other))


def test_a_log_that_the_server_threw_away_begins_anew(live: Live) -> None:
    with live.shipped():
        live.caught_up()
        since = live.kept.since
    with live.server.connect() as connection:
        connection.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '32MB'")
        live.server.stop()
        live.server.configure(max_slot_wal_keep_size="32MB", max_wal_size="64MB")
    live.server.start()
    live.fill(150)
    with live.server.connect() as connection:
        connection.execute("CHECKPOINT")
        assert connection.execute("SELECT wal_status FROM pg_replication_slots").fetchone() == ("lost",)
    with live.shipped():
        live.caught_up()
        assert live.kept.since > since
        copy = live.copy()
        with live.written():
            live.caught_up()
        live.caught_up()
    assert restored(live, copy) == live.beats


# ── What it says of itself ─────────────────────────────────────────────────────────────────────────────────────


def test_it_does_not_say_that_it_is_further_than_it_is(live: Live) -> None:
    """Whatever was committed before `as_of` can be read back from the store as it is at that time."""
    with live.shipped():
        live.caught_up()
        copy = live.copy()
        with live.written():
            time.sleep(1)
            as_of = live.kept.as_of
            found = restored(live, copy)
    assert holds(found, live, as_of)


def test_where_nothing_is_written_nothing_is_shipped_and_the_moment_moves_on(live: Live) -> None:
    def is_so() -> bool:
        """Over a second, unless PostgreSQL wrote into it by itself meanwhile."""
        written = live.flushed()
        eventually(lambda: (shipped := live.turns[-1].shipped) and shipped.position >= written)
        before = live.turns[-1]
        assert before.shipped
        later = before.shipped.as_of + timedelta(seconds=1)
        eventually(lambda: live.as_of and live.as_of > later)
        after = live.turns[-1]
        assert after.bytes == before.bytes or live.flushed() > written
        return after.bytes == before.bytes

    with live.shipped():
        live.caught_up()
        eventually(is_so)


def test_an_absent_shipper_cannot_fill_the_servers_disk(live: Live) -> None:
    live.server.stop()
    live.server.configure(max_slot_wal_keep_size="-1")
    live.server.start()
    with live.shipped():
        live.caught_up()
    with live.server.connect() as connection:
        assert connection.execute("SELECT setting FROM pg_file_settings WHERE name LIKE 'max_slot%'").fetchone() == (
            "2GB",
        )


def test_a_server_stops_at_once_while_its_log_is_shipped(live: Live) -> None:
    with live.shipped(), live.written():
        live.caught_up()
        began = time.monotonic()
        live.server.stop()
        assert time.monotonic() - began < scratch.STOP_SECONDS, "it had to be killed"
