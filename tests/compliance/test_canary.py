"""An invented patient goes through every feature that takes text; afterwards no byte of them is anywhere.

Looked through are the files of PostgreSQL with its write-ahead log, a backup, Redis with all it was ever told, what
web server and worker wrote, the logs of the services, and exports of the trail.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zipfile import ZipFile

import psycopg
import pytest
import redis
import requests
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client, override_settings

from chat import releases
from chat.corpus import loaders
from chat.corpus.ingest import ingest
from chat.models import Collection, Turn
from clinchat import local
from clinchat.celery import app
from clinchat.local import cluster
from compliance import phi, tasks
from compliance.models import AuditEvent, Session, VaultEntry
from tests import cast
from tests.compliance import canary
from tests.compliance.canary_walk import Portal, everything
from tests.processes import ROOT, free_port, start, until

STARTER = ROOT / "chat/corpus/starter/monographs"


@pytest.fixture
def who() -> canary.Identity:
    return canary.invented()


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Path]:
    """A file with every command Redis is given meanwhile, so that what was read and deleted is seen too."""
    path = tmp_path / "redis-heard"
    server: Any = redis.Redis.from_url(settings.REDIS_URL)
    with server.monitor() as monitor, path.open("w") as file:

        def listen() -> None:
            with suppress(redis.RedisError, OSError, ValueError, AttributeError):
                for said in monitor.listen():
                    file.write(said["command"] + "\n")

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield path
        monitor.connection.disconnect()
        thread.join(5)


@pytest.fixture
def portal(transactional_db: None, who: canary.Identity, heard: Path, tmp_path: Path) -> Iterator[Portal]:
    """Web server and worker as processes of their own, on the database and Redis of the tests."""
    app.control.purge()
    port, kept = free_port(), tmp_path / "kept"
    kept.mkdir()
    web = ["gunicorn", "-c", "deploy/gunicorn.conf.py", "-w", "1", "clinchat.wsgi"]
    worker = ["celery", "-A", "clinchat", "worker", "-Q", "answers", "-c", "1"]
    static = static_files(tmp_path / "static")
    running = [
        start(web, kept / "web.log", CLINCHAT_PORT=port, CLINCHAT_STATIC_ROOT=static),
        start(worker, kept / "worker.log"),
    ]
    try:
        collection = Collection.objects.create(slug="starter", name="Starter set", starter=True)
        sources = [s for name in ("warfarin", "metformin") for s in loaders.read(STARTER / f"{name}.md").sources]
        ingest(sources=sources, collection=collection)
        releases.embed_waiting()
        until(lambda: "ready" in (kept / "worker.log").read_text(), "the worker does not start")
        until(lambda: answers(port), "the web server does not start")
        yield Portal(port, who, kept)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)


def static_files(folder: Path) -> str:
    """Collected as an installation does: without the list of them no page of the web server is made."""
    storage = {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}
    with override_settings(STATIC_ROOT=folder, STORAGES={**settings.STORAGES, "staticfiles": storage}):
        call_command("collectstatic", interactive=False, verbosity=0)
    return str(folder)


def answers(port: str) -> bool:
    with suppress(requests.ConnectionError):
        return requests.get(f"http://127.0.0.1:{port}/api/health", timeout=30).status_code == 200
    return False


# ── The features that fail, and the commands: in this process ──────────────────────────────────────────────────


def fail(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong on the way, each time quoting the text."""
    client = cast.sign_in(Client(raise_request_exception=False), cast.alice())
    text = portal.text()

    def quoting(*_: object, **__: object) -> None:
        raise phi.PhiUnavailable from ValueError(portal.text())

    def breaking(*_: object, **__: object) -> None:
        raise LookupError(portal.text(), {"detail": portal.text()})

    turn = Turn.objects.filter(status=Turn.Status.ANSWERED).first()
    assert turn
    before = Turn.objects.count()
    with monkeypatch.context() as broken:
        broken.setattr(phi, "mask", quoting)
        for address in ("/ask/", "/library/", "/ask/search/", f"/ask/answers/{turn.pk}/feedback/"):
            client.post(address, {"question": text, "q": text, "helpful": "yes", "comment": text})
    with monkeypatch.context() as broken:
        broken.setattr("chat.services.ask", breaking)
        assert client.post("/ask/", {"question": text}).status_code == 500
    assert Turn.objects.count() == before
    logger = logging.getLogger("chat.of_the_tests")
    logger.warning("asked: %s", text)
    logger.error("asked: %(text)s", {"text": portal.text()})
    try:
        breaking()
    except LookupError:
        logger.exception("it broke")
    logging.getLogger("django.db.backends").warning("SELECT %s", portal.who.surname)


def command(*words: str) -> str:
    """What a command of the portal writes."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        call_command(*words, stdout=said, stderr=said)
    return said.getvalue()


# ── What is looked through ─────────────────────────────────────────────────────────────────────────────────────


def keep_what_the_services_hold(kept: Path) -> None:
    server: Any = redis.Redis.from_url(settings.REDIS_URL)
    read = {
        b"string": server.get,
        b"hash": server.hgetall,
        b"list": lambda key: server.lrange(key, 0, -1),
        b"set": server.smembers,
        b"zset": lambda key: server.zrange(key, 0, -1, withscores=True),
        b"stream": server.xrange,
    }
    with (kept / "redis").open("wb") as file:
        for key in server.scan_iter():
            file.write(b"\n".join([key, *everything(read[server.type(key)](key)), b""]))
    queued = (kept / "redis").read_bytes() + next(iter(kept.parent.glob("redis-heard"))).read_bytes()
    assert b"answer_turn" in queued, "a task was sent"
    (kept / "sessions").write_text(json.dumps([one.get_decoded() for one in Session.objects.all()], default=str))
    database = connection.settings_dict
    dump = [cluster.binaries() / "pg_dump", "-h", database["HOST"], "-U", "clinchat", "-d", database["NAME"]]
    with (kept / "backup.sql").open("wb") as file:
        subprocess.run(dump, stdout=file, check=True)
    assert (kept / "backup.sql").stat().st_size > 100_000
    checkpoint()


def checkpoint() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")


def test_nothing_of_it_is_left(
    portal: Portal, heard: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    who, kept = portal.who, portal.kept
    portal.walk()
    fail(portal, monkeypatch)
    tasks.seal_events()
    said = command("ask", who.texts[0], "--json") + command("audit_export", "--bundle", str(kept / "trail.zip"))
    with ZipFile(kept / "trail.zip") as bundle:
        bundle.extractall(kept / "trail")
    (kept / "here").write_text(said + "".join(capfd.readouterr()))
    keep_what_the_services_hold(kept)

    found = canary.traces(who.values, settings.VAR, kept, heard)
    assert not found, "\n".join(sorted(found))
    opened = " ".join(entry.value for entry in VaultEntry.objects.all())
    for value in who.values.values():
        assert value.casefold() in opened.casefold(), "the masker did not see it, so that nothing was shown"
    assert AuditEvent.objects.filter(object_type="compliance.phi").count() >= 3, "of the masker that failed"


# ── The search itself ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("case", [str, str.lower, str.upper])
def test_every_way_of_writing_is_found(case: Any, who: canary.Identity, tmp_path: Path) -> None:
    for number, value in enumerate(case(f"xy{value}z") for value in who.values.values()):
        plain = value.encode()
        for way, written in {
            "text": plain,
            "utf-16": value.encode("utf-16"),
            "json": json.dumps(value).encode(),
            "address": quote(value).encode(),
            "hex": plain.hex().encode(),
            **{f"base64-{n}": base64.b64encode(b"." * n + plain) for n in range(3)},
        }.items():
            (tmp_path / f"{number}-{way}").write_bytes(b"\0\xff" + written + b"\n\0")
    found = {Path(line.split(":", 1)[0]) for line in canary.traces(who.values, tmp_path)}
    assert found == set(tmp_path.iterdir())


def test_what_is_stored_in_the_clear_is_found(transactional_db: None, who: canary.Identity) -> None:
    """In the table and in the write-ahead log; in Redis nothing is written to a file."""
    values = {"surname": who.surname}
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE canary_scratch AS SELECT %s AS note", [f"x {who.surname} x"])
        try:
            checkpoint()
            found = canary.traces(values, settings.VAR)
        finally:
            cursor.execute("DROP TABLE canary_scratch")
    assert any("/pg_wal/" in line for line in found)
    assert any("/base/" in line for line in found)


FAILING = (
    ("SELECT %s::uuid", "a value that does not fit"),
    ("SELECT to_tsquery(%s)", "a word in an error of a function"),
    ("INSERT INTO chat_collection (id, slug) VALUES (gen_random_uuid(), %s)", "a row that fails a constraint"),
    ("CREATE TEMP TABLE canary (note text UNIQUE); INSERT INTO canary SELECT %s FROM generate_series(1, 2)", "a key"),
    ("DO $$ BEGIN RAISE WARNING %s; END $$", "a warning"),
    ("SELECT pg_sleep(0.2), %s", "a statement that takes long"),
)


@pytest.mark.parametrize(("statement", "what"), FAILING)
def test_the_database_logs_nothing_of_a_failing_statement(
    statement: str, what: str, transactional_db: None, who: canary.Identity
) -> None:
    database = connection.settings_dict
    place = {"host": database["HOST"], "user": "clinchat", "dbname": database["NAME"], "autocommit": True}
    quoted = f"'({who.surname} & {who.values['mrn']}'"
    with psycopg.connect(**place) as own, suppress(psycopg.Error):
        own.execute(statement % quoted)
    time.sleep(0.1)
    assert canary.traces(who.values, local.paths().log) == set(), what
