"""What a scan is about: the files a build carries, and the digest that says which build it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from compliance import scanning
from compliance.scanning import build_digest, files
from compliance.scanning.types import Unusable
from tests.compliance import scratch_tree
from tests.deploy.reading import ROOT


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return scratch_tree.make(tmp_path)


def names(found: list[Path]) -> list[str]:
    return [path.as_posix() for path in found]


def test_what_ships_is_what_the_image_copies() -> None:
    copies = re.findall(r"^COPY (?!--from)(.+)$", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE)
    assert {word for line in copies for word in line.split()[:-1]} == set(files.SHIPPED)


def test_every_shipped_place_is_here() -> None:
    assert all((ROOT / name).exists() for name in files.SHIPPED)
    found = files.shipped(ROOT)
    assert len(found) > 800
    assert found == sorted(found, key=Path.as_posix)
    assert {path.parts[0] for path in files.shipped(ROOT, ".html")} == {"templates"}


def test_data_tools_and_what_was_built_do_not_count(tree: Path) -> None:
    before = build_digest(tree)
    for extra in (
        "var/keys/secret", ".venv/x.py", ".venv-scan/x.py", ".git/x", "clinchat/__pycache__/one.cpython-311.pyc",
        "compliance/phi/built/list.bin", "chat/llm/built/weights.bin", "tests/test_one.py", "docs/one.md",
    ):  # fmt: skip
        (tree / extra).parent.mkdir(parents=True, exist_ok=True)
        (tree / extra).write_text("x")
    assert build_digest(tree) == before
    assert names(files.everything(tree))[-2:] == ["templates/one.html", "tests/test_one.py"]
    assert not [name for name in names(files.everything(tree)) if name.startswith((".", "var")) or "built" in name]


def test_each_change_gives_another_digest(tree: Path) -> None:
    seen = {build_digest(tree)}
    changes: dict[str, Callable[[], object]] = {
        "a line": lambda: (tree / "clinchat/one.py").write_text("ONE = 2\n"),
        "a name": lambda: (tree / "clinchat/one.py").rename(tree / "clinchat/two.py"),
        "a new file": lambda: (tree / "clinchat/three.py").write_text(""),
        "an empty file": lambda: (tree / "clinchat/four.py").write_text(""),
        "a package": lambda: (tree / "requirements/prod.txt").write_text("other\n"),
        "a file less": lambda: (tree / "templates/one.html").unlink(),
    }
    for what, change in changes.items():
        change()
        assert build_digest(tree) not in seen, what
        seen.add(build_digest(tree))


def test_a_folder_that_is_no_tree(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="no tree of ClinChat"):
        build_digest(tmp_path)
    assert scanning.SCANNERS["bandit"](tmp_path).state == "error"


def test_nothing_hides_in_what_ships(tree: Path) -> None:
    """No name of a folder inside of it keeps a file out of the scans; one behind a link stops them."""
    for name in (
        "chat/var/a.py",
        "chat/node_modules/a.py",
        "chat/__pycache__/a.py",
        "chat/.venv/a.py",
        "chat/tests/a.py",
    ):
        (tree / name).parent.mkdir(parents=True)
        (tree / name).write_text("A = 1\n")
        assert name in names(files.shipped(tree, ".py"))
        assert name in names(files.everything(tree))
    (tree / "chat/linked.py").symlink_to(tree / "manage.py")
    assert "chat/linked.py" in names(files.shipped(tree))
    (tree / "chat/far").symlink_to(tree / "deploy")
    with pytest.raises(Unusable, match="is a link"):
        files.shipped(tree)
