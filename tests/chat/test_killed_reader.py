"""A real worker that is killed while it reads a file: nothing is half stored, and another one reads it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from chat import uploads
from chat.models import Document, DocumentVersion, Upload
from clinchat.celery import app
from clinchat.lib import clock
from tests import cast
from tests.chat import shelf
from tests.chat.test_worker import children, waits_for_a_lock
from tests.processes import PATIENCE, start, until

State = Upload.State


@pytest.fixture
def worker(transactional_db: None, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    app.control.purge()
    command = ["celery", "-A", "clinchat", "worker", "-Q", "embedding", "-c", "1", "-l", "INFO"]
    process = start([*command, "--pidfile", str(tmp_path / "pid")], tmp_path / "worker.log")
    try:
        until(lambda: "ready" in (tmp_path / "worker.log").read_text(), "the worker does not start")
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


def test_a_file_whose_reader_was_killed_is_read_by_the_next(worker: subprocess.Popen[bytes]) -> None:
    other = connection.copy()
    try:
        with other.cursor() as cursor:  # holds what a reader alone needs, at its end: so it is certainly under way
            cursor.execute("BEGIN")
            cursor.execute("LOCK TABLE chat_upload_drafts IN ACCESS EXCLUSIVE MODE")
        into, content = shelf.collection(), b"# Warfarin\n\nGive it in the evening.\n"
        upload = uploads.receive(by=cast.edith(), collection=into, name="warfarin.md", content=content)
        until(lambda: Upload.objects.get(pk=upload.pk).state == State.READING, "the worker does not begin")
        until(waits_for_a_lock, "the worker does not come as far as the table")
        for pid in children(worker.pid):
            os.kill(pid, signal.SIGKILL)
        lost = Upload.objects.filter(pk=upload.pk, state=State.READING)
        until(lambda: lost.filter(deadline_at__lte=clock.now()).exists(), "the reader is not known to be dead")
    finally:
        other.close()
    assert not Document.objects.exists()
    assert uploads.read_lost() == 1
    until(lambda: Upload.objects.get(pk=upload.pk).state == State.UNDERSTOOD, "nobody reads it again")
    assert Upload.objects.get().content is None
    assert DocumentVersion.objects.get().created_by == cast.edith()
