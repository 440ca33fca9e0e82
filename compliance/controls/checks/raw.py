"""The check that what is stored cannot be read where it lies: in files, in the queue, in rows."""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import redis
from django.conf import settings
from django.db import Error, connection, transaction
from psycopg import sql

from compliance import masked_texts, metrics
from compliance.controls.registry import CannotLook, Found, check

MOST_BYTES: Final = 512 * 1024 * 1024
"""Read at most, of all files; what changed last comes first."""
MOST_SECONDS: Final = 6.0
CHUNK: Final = 4 * 1024 * 1024
MOST_KEYS: Final = 2000
MOST_ENTRIES: Final = 1000
MOST_TEMPORARY: Final = 3000
"""Entries of the temporary folder; others than ours may fill it."""
_TEXT: Final = (
    "Mrs. Ottoline Quenby, MRN {number}, e-mail {word}@example.org, phone {phone}, asks whether ibuprofen goes with "
    "warfarin."
)


@dataclass
class Phrase:
    """What is looked for: two words that were never seen before, as text and as the bytes of it in hexadecimal."""

    word: str = field(default_factory=lambda: f"q{secrets.token_hex(8)}")
    number: str = field(default_factory=lambda: f"{secrets.randbelow(9 * 10**9) + 10**9}")

    @property
    def text(self) -> str:
        return _TEXT.format(word=self.word, number=self.number, phone="212-555-0187")

    @property
    def traces(self) -> list[bytes]:
        plain = [self.word.encode(), self.number.encode()]
        return [*plain, *(one.hex().encode() for one in plain), self.word.encode("utf-16-le")]

    def within(self, data: bytes) -> bool:
        return any(one in data for one in self.traces)


@dataclass
class Looked:
    """Where the phrase was found, what was read, and what could not be reached."""

    found: list[str] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    rows: int = 0
    keys: int = 0
    beyond: list[str] = field(default_factory=list)


@check("crypto.raw_scan", seconds=30)
def raw_scan() -> Found:
    """A phrase that no one has written before goes the way of every text; then all places are read that can be.

    Its rows are on the pages of the database and in its log of changes although all of it is undone. Where the files
    of the database are another machine's, the rows themselves are read by SQL; what was not reached is named.
    """
    trials = masked_texts.trials()
    if not trials:
        raise CannotLook("no part of ClinChat says how a text is stored.")
    began = time.time()
    phrase, looked = Phrase(), Looked()
    with metrics.unused(), transaction.atomic():
        _take(trials.values(), phrase, looked)
        pushed = _pushed_out()
        _look_at_redis(phrase, looked)
        transaction.set_rollback(True)
    _look_at_files(_places(looked, pushed=pushed), began, phrase, looked)
    if not looked.rows:
        raise CannotLook("the phrase was stored nowhere.")
    return Found(
        ok=not looked.found,
        observed=f"found in {len(looked.found)} places: read {looked.rows} rows, {looked.files} files, "
        f"{looked.bytes / 1e6:.0f} MB, {looked.keys} keys of Redis"
        + (f"; not reached: {', '.join(looked.beyond)}" if looked.beyond else ""),
        subjects=looked.rows + looked.files + looked.keys + len(looked.found),
        failing=looked.found,
        evidence={
            "written_through": sorted(trials),
            "rows": looked.rows,
            "files": looked.files,
            "bytes": looked.bytes,
            "redis_keys": looked.keys,
            "not_reached": looked.beyond,
        },
    )


def _take(trials: Iterable[Callable[[str], None]], phrase: Phrase, looked: Looked) -> None:
    """Store the phrase as features do, and read every row that was written meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::xid::text")
        (began,) = cursor.fetchone()
        for take in trials:
            take(phrase.text)
        cursor.execute("SELECT schemaname, relname FROM pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd > 0")
        for schema, table in cursor.fetchall():
            rows = sql.SQL("SELECT t::text FROM {} t WHERE age(t.xmin) <= age(%s::xid)")
            cursor.execute(rows.format(sql.Identifier(schema, table)), [began])
            for (row,) in cursor.fetchall():
                looked.rows += 1
                if phrase.within(row.encode()) and f"table {table}" not in looked.found:
                    looked.found.append(f"table {table}")


def _pushed_out() -> bool:
    """Have the database write its pages to its files, where this account may ask for that."""
    if not settings.EMBEDDED:
        return False
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")
    except Error:
        return False
    return True


def _look_at_redis(phrase: Phrase, looked: Looked) -> None:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=2) as client:
            for key in client.scan_iter(count=500):
                if looked.keys >= MOST_KEYS:
                    looked.beyond.append("more keys of Redis")
                    break
                looked.keys += 1
                if phrase.within(key) or any(phrase.within(part) for part in _parts(client, key)):
                    looked.found.append(f"Redis {ascii(key[:40].decode(errors='replace'))[1:-1]}")
    except (redis.RedisError, OSError):
        looked.beyond.append("Redis")


def _parts(client: Any, key: bytes) -> Iterator[bytes]:
    read: dict[bytes, Callable[[], Any]] = {
        b"string": lambda: [client.get(key)],
        b"list": lambda: client.lrange(key, -MOST_ENTRIES, -1),
        b"hash": lambda: [part for pair in client.hgetall(key).items() for part in pair],
        b"set": lambda: client.srandmember(key, MOST_ENTRIES),
        b"zset": lambda: client.zrange(key, -MOST_ENTRIES, -1),
        b"stream": lambda: [
            part for _, entry in client.xrevrange(key, count=MOST_ENTRIES) for pair in entry.items() for part in pair
        ],
    }
    found = read.get(client.type(key), list)()
    yield from (part for part in found if isinstance(part, bytes))


# ── Files ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _places(looked: Looked, *, pushed: bool) -> list[Path]:
    """Folders to read. The database's own are there only where it runs on this machine for this installation."""
    from compliance.audit.controls_privacy import log_files

    places = [Path(tempfile.gettempdir()), *log_files(), Path(settings.INTERACTIONS_BACKUP)]
    if settings.EMBEDDED:
        places.append(Path(settings.VAR))
    else:
        looked.beyond += ["files of the database", "its write-ahead log", "its dumps"]
    if settings.EMBEDDED and not pushed:
        looked.beyond.append("pages the database keeps in memory")
    return places


def _look_at_files(places: Iterable[Path], since: float, phrase: Phrase, looked: Looked) -> None:
    files = {}
    for place in places:
        for path, found in _changed(place, since - 1, looked):
            files[found.st_dev, found.st_ino] = (found.st_mtime, path)
    ends = time.monotonic() + MOST_SECONDS
    for _, path in sorted(files.values(), reverse=True):
        if looked.bytes > MOST_BYTES or time.monotonic() > ends:
            looked.beyond.append("more files than can be read in the time")
            return
        with suppress(FileNotFoundError):
            try:
                if _holds(path, phrase, looked):
                    looked.found.append(f"file {path.name[:80]}")
            except PermissionError:
                looked.beyond.append(f"file {path.name[:40]}")


def _changed(place: Path, since: float, looked: Looked) -> Iterator[tuple[Path, os.stat_result]]:
    """Files of ours under a folder, or the file itself, that were written since then."""
    ours = {os.geteuid()}
    if settings.EMBEDDED:
        with suppress(OSError):
            ours.add((Path(settings.VAR) / "pgdata").stat().st_uid)  # root lends the database an account
    temporary, seen = place == Path(tempfile.gettempdir()), 0
    entries = [place]
    while entries:
        path = entries.pop()
        with suppress(OSError):
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid in ours:
                if temporary and seen > MOST_TEMPORARY:
                    looked.beyond.append("the rest of the temporary folder")
                    return
                if not temporary or path == place or path.parent == place:
                    inside = list(path.iterdir())
                    seen += len(inside)
                    entries += inside
            elif stat.S_ISREG(found.st_mode) and found.st_uid in ours and found.st_mtime >= since:
                yield path, found


def _holds(path: Path, phrase: Phrase, looked: Looked) -> bool:
    looked.files += 1
    with path.open("rb") as file:
        before = b""
        while chunk := file.read(CHUNK):
            looked.bytes += len(chunk)
            if phrase.within(before + chunk):
                return True
            before = chunk[-64:]
    return False
