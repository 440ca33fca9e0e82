"""The checks of uploads: hostile files, and the scanner that has to know them."""

from __future__ import annotations

import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings

from chat import controls_uploads, uploads
from chat.corpus import malware
from chat.corpus.formats import pdf_active, sniff
from chat.models import Upload
from clinchat.lib import clock
from compliance import audit
from compliance.models import User
from tests.breaking import instead
from tests.chat.papers import only, refusal
from tests.proving import State, look, proven

pytestmark = pytest.mark.django_db


@contextmanager
def clamd(days: int = 1, *, seeing: bool = True) -> Iterator[tuple[str, int]]:
    """A server that speaks clamd's INSTREAM and VERSION, with signatures so many days old."""
    made = clock.now() - timedelta(days=days)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            command = b""
            while not command.endswith(b"\0"):
                command += self.rfile.read(1)
            if command == b"zVERSION\0":
                self.wfile.write(
                    f"ClamAV 1.4.3/27823/{time.strftime('%a %b %e %H:%M:%S %Y', made.timetuple())}\0".encode()
                )
                return
            content = b""
            while size := struct.unpack("!I", self.rfile.read(4))[0]:
                content += self.rfile.read(size)
            seen = seeing and b"EICAR-STANDARD" in content
            self.wfile.write(b"stream: Eicar-Test-Signature FOUND\0" if seen else b"stream: OK\0")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield ("127.0.0.1", server.server_address[1])
        server.shutdown()


@pytest.fixture
def scanner(settings: Any) -> Iterator[None]:
    with clamd() as settings.CLAMD:
        yield


def test_hostile_files_that_get_in_are_seen(scanner: None) -> None:
    off = instead(uploads, "scan", lambda content, by: None)
    broken = proven("upload.eicar_canary", off)
    assert (broken.failing, broken.subjects) == (["eicar"], 4)
    assert not Upload.objects.exists()
    assert not User.objects.exists()


def test_fault_the_scanner_does_not_know_eicar(settings: Any) -> None:
    with clamd(seeing=False) as settings.CLAMD:
        assert look("upload.eicar_canary").failing == ["eicar"]


def test_fault_no_scanner_is_configured(settings: Any) -> None:
    settings.CLAMD = ""
    found = look("upload.eicar_canary")
    assert (found.state, found.failing) == (State.FAIL, ["eicar"])
    assert found.evidence["files"]["active_pdf"] == "refused by the reader"


def test_fault_the_parser_takes_scripts_and_polyglots(scanner: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sniff, "ZIP_END", b"never in any file")
    assert look("upload.eicar_canary").failing == ["polyglot"]


def test_fault_refusals_are_not_on_record(scanner: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "record", lambda **_: None)
    found = look("upload.eicar_canary")
    assert (found.failing, found.evidence["files"]["eicar"]) == (["eicar"], "refused, not on record")


def test_a_scanner_that_does_not_answer_is_no_pass(settings: Any) -> None:
    settings.CLAMD = "/nowhere/clamd.sock"
    found = look("upload.eicar_canary")
    assert (found.state, "does not answer" in found.observed) == (State.ERROR, True)


@contextmanager
def stopped() -> Iterator[None]:
    with override_settings(CLAMD=""):
        yield


def test_a_scanner_that_was_stopped_is_seen(scanner: None) -> None:
    broken = proven("upload.scanner_fresh", stopped())
    assert broken.failing == ["CLINCHAT_CLAMD"]


def test_fault_signatures_are_old(settings: Any) -> None:
    with clamd(days=8) as settings.CLAMD:
        found = look("upload.scanner_fresh")
    assert (found.state, found.failing) == (State.FAIL, ["signatures"])
    assert found.observed.startswith("The scanner answers; its signatures are 8.0 days old")


def test_while_it_does_not_answer_files_are_held(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CLAMD = "/nowhere/clamd.sock"
    assert look("upload.scanner_fresh").evidence == {"held": True}
    monkeypatch.setattr(malware, "scan", lambda content: None)
    assert look("upload.scanner_fresh").state == State.FAIL, "it lets files through"


# ── What the reader refuses ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("catalog", "what"),
    [
        (b"/OpenAction << /S /JavaScript /JS (x) >>", "a script"),
        (b"/OpenAction << /S /GoTo /Next [<< /S /Launch /F (x) >>] >>", "a program to start"),
        (b"/AA << /WC << /S /SubmitForm /F (x) >> >>", "a form that is sent"),
        (b"/Names << /JavaScript << /Names [] >> >>", "a script"),
        (b"/Names << /EmbeddedFiles << /Names [] >> >>", "a file inside it"),
        (b"/AcroForm << /XFA (x) >>", "a form with programs"),
    ],
)
def test_a_pdf_that_does_something_is_refused(catalog: bytes, what: str) -> None:
    assert f"the PDF holds {what}" in refusal(controls_uploads._pdf(catalog), "a.pdf")


@pytest.mark.parametrize("catalog", [b"", b"/OpenAction [5 0 R /Fit]", b"/OpenAction << /S /GoTo /D [5 0 R /Fit] >>"])
def test_where_it_opens_is_no_program(catalog: bytes) -> None:
    assert "Give warfarin" in only(controls_uploads._pdf(catalog), "a.pdf").text


def test_a_file_that_is_two_things_is_refused() -> None:
    assert "a PDF and a ZIP archive at once" in refusal(controls_uploads._polyglot(), "a.pdf")
    assert "a PDF and something else at once" in refusal(b"GIF89a " + controls_uploads._pdf(), "a.pdf")
    assert pdf_active.DEEPEST == 50
