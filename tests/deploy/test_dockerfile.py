"""The image: linted, without a root process, without anything that is for tests or for one machine only."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.reading import ROOT

DOCKERFILE = ROOT / "deploy" / "Dockerfile"


def hadolint(path: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("hadolint")), "--failure-threshold", "warning", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_hadolint_has_no_warning() -> None:
    done = hadolint(DOCKERFILE)
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_would_say_so(tmp_path: Path) -> None:
    worse = tmp_path / "Dockerfile"
    worse.write_text(re.sub(r":\d[\w.-]+ AS", " AS", DOCKERFILE.read_text()))
    assert hadolint(worse).returncode == 1


def test_the_base_is_one_full_version() -> None:
    bases = [base for base in re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(), re.MULTILINE) if base != "app"]
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm(@sha256:[0-9a-f]{64})?", bases[0])


def test_only_hashed_wheels_are_installed() -> None:
    text = DOCKERFILE.read_text()
    installs = re.findall(r"pip .*?install(?:.*\\\n)*.*", text)
    files = [f"requirements/{name}.txt" for name in ("prod", "lexicons", "models")]
    for command, file in zip(installs, files, strict=True):
        assert {"--require-hashes", "--only-binary"} <= set(command.split())
        assert file in command


@pytest.mark.parametrize(("build", "folder"), [("compliance.phi.build", "/lexicons"), ("chat.llm.build", "/models")])
def test_what_is_built_leaves_its_packages_behind(build: str, folder: str) -> None:
    text = DOCKERFILE.read_text()
    assert f"{build} {folder} && rm -r {folder}\n" in text
    assert text.index(build) > text.index(f"COPY {build.partition('.')[0]} ")
    assert folder not in text.rpartition("\nFROM ")[2]


def test_what_is_copied_exists_and_passes_the_ignore_file() -> None:
    copies = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE.read_text(), re.MULTILINE)
    sources = [word for line in copies for word in line.split()[:-1]]
    assert len(sources) > 8
    allowed = [
        line[1:] for line in (ROOT / "deploy/Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")
    ]
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(Path(source).match(pattern) for pattern in allowed), f"{source} is ignored by the build"


def test_no_key_is_left_in_a_layer() -> None:
    kept = [line for line in DOCKERFILE.read_text().splitlines() if re.match(r"ENV|ARG|LABEL", line)]
    assert kept
    assert not re.search(r"SECRET|SEALING|PASSWORD", "\n".join(kept))


def test_every_package_of_the_product_is_copied() -> None:
    text = DOCKERFILE.read_text()
    packages = [path.parent.name for path in ROOT.glob("*/__init__.py")]
    assert {"clinchat", "compliance", "training", "chat"} <= set(packages)
    for package in set(packages) - {"tests", "bench"}:
        assert f"COPY {package} {package}\n" in text
