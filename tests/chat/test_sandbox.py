"""Parsers run apart: whatever a file makes of one, we get a sentence, in time, and nothing else happens."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from chat.corpus import loaders, sandbox
from chat.corpus.formats import Options, sniff
from chat.corpus.sandbox import File, Limits
from tests.chat.papers import Sheet, archive, pdf
from tests.processes import PATIENCE

QUICK = Limits(seconds=120)


def attempt(what: str, monkeypatch: pytest.MonkeyPatch, limits: Limits = QUICK) -> str:
    """What comes of it when a file makes its parser try this."""
    monkeypatch.setattr(sandbox, "MODULE", "tests.chat.hostile")
    reading = sandbox.parse(File(b"x", sniff.HTML, Options(what)), limits=limits)
    return reading.sources[0].text if reading.sources else reading.problems[0].sentence


@pytest.mark.parametrize(
    "what",
    [
        *("socket", "socket-in-c", "program", "program-in-c", "shell", "fork", "write", "delete", "environment"),
        *("settings", "keys", "keys-in-c", "our-environment", "our-environment-in-c", "kill-in-c"),
    ],
)
def test_a_parser_that_was_taken_over_reaches_nothing(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("SECRET_KEY", "secret")
    assert attempt(what, monkeypatch) == "refused"
    assert not Path("/tmp/clinchat-hostile").exists()


@pytest.mark.parametrize(
    ("what", "limits", "outcome"),
    [
        ("sleep", Limits(seconds=1), "The file took too long to read (limit 1 seconds)."),
        ("work", Limits(processor=1), "The file takes too much work to read (limit 1 seconds)."),
        ("memory", Limits(memory=300_000_000), "no memory"),
        ("flood", Limits(output=2_000_000), "The text of the file is too long to be taken in."),
        ("rubbish", QUICK, "The file is damaged and cannot be read."),
        ("pickle", QUICK, "The file is damaged and cannot be read."),
        ("die", QUICK, "The file is damaged and cannot be read."),
    ],
    ids=["sleep", "work", "memory", "flood", "rubbish", "pickle", "die"],
)
def test_limits_become_sentences(what: str, limits: Limits, outcome: str, monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.monotonic()
    assert attempt(what, monkeypatch, limits) == outcome
    assert time.monotonic() - began < PATIENCE, "hostile.py sleeps for longer"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.html", b"<!doctype html><p>Hello there.</p>", "Hello there."),
        ("a.pdf", pdf(Sheet().text(50, 100, "Hello there.")), "Hello there."),
        (
            "a.docx",
            archive({"word/document.xml": b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
                     b"<w:body><w:p><w:r><w:t>Hello there.</w:t></w:r></w:p></w:body></w:document>"}),
            "Hello there.",
        ),
    ],
    ids=["html", "pdf", "docx"],
)  # fmt: skip
def test_each_parser_works_within_its_walls(name: str, content: bytes, words: str) -> None:
    reading = loaders.read_bytes(content, name=name)
    assert not reading.problems
    assert reading.sources[0].text.strip() == words


def test_files_of_a_folder_share_a_process_and_a_bad_one_spoils_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(20):
        (tmp_path / f"{i:02}.html").write_text(f"<!doctype html><p>Document {i}.</p>")
    (tmp_path / "05.html").write_text("<!doctype html>" + "<div>" * 3000)
    (tmp_path / "06.pdf").write_bytes(b"%PDF-1.4 broken")
    (tmp_path / "07.csv").write_text("not looked into")
    started: list[object] = []
    run = sandbox._run

    def counted(*given: Any) -> Any:
        started.append(given)
        return run(*given)

    monkeypatch.setattr(sandbox, "_run", counted)
    reading = loaders.read(tmp_path)
    assert [source.external_id for source in reading.sources] == [f"{i:02}" for i in range(20) if i != 5]
    assert [str(problem) for problem in reading.problems] == [
        f"{tmp_path}/05.html, line 1: the page is nested too deeply",
        f"{tmp_path}/06.pdf: the PDF is damaged and cannot be opened",
    ]
    assert len(started) == 3, "the pages before the PDF, the PDF, and the pages after it"


def test_one_that_breaks_the_shared_process_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "MODULE", "tests.chat.hostile")
    files = [File(b"x", sniff.HTML, Options(name)) for name in ("die", "environment", "rubbish")]
    first, second, third = sandbox.parse_all(files)
    assert second.sources[0].text == "refused"
    assert [reading.problems[0].what for reading in (first, third)] == ["the file is damaged and cannot be read"] * 2


def test_an_upload_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaders, "MAX_BYTES", 10_000_000)
    reading = loaders.read_bytes(b"x" * 10_000_001, name="a.pdf")
    assert reading.problems[0].sentence == "The file is larger than 10 MB."
