"""What the documents point to exists: files, headings, make targets, commands; and the version is the code's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from clinchat import __version__

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMAND = re.compile(r"manage\.py ([a-z][a-z_]+)")
TARGET = re.compile(r"`make ([a-z-]+)|^make ([a-z-]+)", re.MULTILINE)


def name(document: Path) -> str:
    return str(document.relative_to(ROOT))


def anchors(document: Path) -> set[str]:
    """Headings as they are addressed on GitHub."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_somewhere(document: Path) -> None:
    for link in LINK.findall(document.read_text()):
        if re.match(r"https?:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{name(document)}: {link}"
        assert not anchor or anchor in anchors(target), f"{name(document)}: {link}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_commands_and_targets_exist(document: Path) -> None:
    text = document.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(COMMAND.findall(text)) <= set(get_commands())
    assert {a or b for a, b in TARGET.findall(text)} <= targets


def test_something_is_read() -> None:
    texts = [document.read_text() for document in DOCUMENTS]
    assert len(texts) >= 10
    assert sum(len(LINK.findall(text)) for text in texts) > 20
    assert sum(len(COMMAND.findall(text)) for text in texts) > 8


def test_the_newest_change_is_this_version() -> None:
    versions = re.findall(r"^## v(\S+) \W \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == __version__


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200
