"""manage.py phi_mask: one text on the terminal, and what is said of what is no text."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from chat.models import Turn
from compliance import phi
from compliance.models import VaultEntry

pytestmark = pytest.mark.django_db

TEXT = "Maria Gonzalez, MRN 00482913, stent 01/03/2025, seen 01/13/2025. Is Gonzalez due for metformin?"


def run(*words: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("phi_mask", *words, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def stdin(monkeypatch: pytest.MonkeyPatch, given: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given)))


def test_what_was_found_without_what_it_stands_for() -> None:
    code, text = run(TEXT, "--restore-check")
    assert code == 0
    assert text.startswith("[NAME-1], MRN [MRN-1], stent [DATE-1], seen [DATE-2]. Is [NAME-1] due for metformin?\n")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "[NAME-1] Name 2 x" in lines
    assert "[DATE-2] 10 days after the earliest date" in lines
    assert "The tokens give back the text exactly." in lines
    assert "Gonzalez" not in text


def test_values_only_when_asked_for() -> None:
    _, text = run(TEXT, "--show-values")
    assert "Maria Gonzalez = Gonzalez" in text
    assert json.loads(run(TEXT, "--json", "--show-values")[1])["phi"][0]["value"] == "Maria Gonzalez"


def test_one_object_for_programs() -> None:
    code, text = run(TEXT, "--json")
    found = json.loads(text)
    assert (code, set(found)) == (0, {"masked", "phi", "intervals", "round_trip", "ms"})
    assert found["phi"][0] == {"label": "NAME", "token": "[NAME-1]", "start": 0, "end": 14}
    assert found["intervals"] == {"[DATE-1]": 0, "[DATE-2]": 10}
    assert (found["round_trip"], found["ms"] > 0) == (True, True)


def test_nothing_is_stored() -> None:
    run(TEXT)
    assert not Turn.objects.exists()
    assert not VaultEntry.objects.exists()


def test_from_standard_input_and_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stdin(monkeypatch, "Zoë Müller INR".encode())
    assert json.loads(run("-", "--json")[1])["round_trip"] is True
    (tmp_path / "note.txt").write_text(TEXT)
    assert "[MRN-1]" in run("--file", str(tmp_path / "note.txt"))[1]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (b"", "There is no text to mask."),
        (b" \n ", "There is no text to mask."),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "That is not text in UTF-8."),
        (b"Maria\x00Gonzalez", "That is not text in UTF-8."),
        (b"Caf\xe9", "That is not text in UTF-8."),
        (b"a " * 60_000, "The text is longer than 100,000 characters."),
        (b"x" * 3_000_000, "The text is longer than 100,000 characters."),
    ],
)
def test_what_is_no_text_to_mask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: bytes, says: str) -> None:
    path = tmp_path / "given"
    path.write_bytes(given)
    for words in (["-"], ["--file", str(path)]):
        stdin(monkeypatch, given)
        with pytest.raises(CommandError) as refused:
            call_command("phi_mask", *words)
        assert (str(refused.value), refused.value.returncode) == (says, 2)


@pytest.mark.parametrize("words", [[], ["a text", "--file", "a file"]])
def test_not_exactly_one_text(words: list[str]) -> None:
    with pytest.raises(CommandError, match="Give a text in quotes, - for standard input, or --file"):
        call_command("phi_mask", *words)


def test_a_file_that_is_not_there_and_a_word_with_half_a_character(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nothing cannot be read"):
        call_command("phi_mask", "--file", str(tmp_path / "nothing"))
    with pytest.raises(CommandError, match="not text in UTF-8"):
        call_command("phi_mask", "Maria \udcff")


def test_a_text_that_cannot_be_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise phi.PhiUnavailable

    monkeypatch.setattr(phi, "mask", refuse)
    with pytest.raises(CommandError, match="The text could not be masked") as refused:
        call_command("phi_mask", TEXT)
    assert refused.value.returncode == 1


def test_without_its_word_lists_it_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise phi.LexiconError

    monkeypatch.setattr(phi, "warm", refuse)
    with pytest.raises(CommandError, match="Run: make setup"):
        call_command("phi_mask", TEXT)


def test_tokens_that_do_not_give_back_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    restore: Any = lambda *_: "another text"  # noqa: E731
    monkeypatch.setattr(phi, "restore", restore)
    code, text = run(TEXT, "--restore-check")
    assert (code, "do NOT give back" in text) == (1, True)
    assert run(TEXT, "--json")[0] == 1
