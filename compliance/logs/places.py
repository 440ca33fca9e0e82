"""Places in source files: how they are written, and whether a text stands in one."""

from __future__ import annotations

import inspect
import re
import sysconfig
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_INSTALLED = tuple(
    f"{folder}/"
    for folder in {
        *(str(_ROOT / name) for name in ("chat", "clinchat", "compliance", "deploy", "training")),
        *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
    }
)
_DEEPEST = 16


def place(file: str, line: int) -> str:
    """`services/ask.py:42`; of the path, the last folder and the file."""
    return re.sub(r"[^\w./<>-]", "_", "/".join(file.split("/")[-2:]))[-100:] + f":{line}"


def written_in_source(template: str) -> bool:
    """Whether a function that is on its way to log this holds it as a literal: then a programmer wrote it.

    Only ClinChat's own code and the installed libraries count.
    """
    frame = inspect.currentframe()
    for _ in range(_DEEPEST):
        frame = frame.f_back if frame else None
        if frame is None:
            return False
        code = frame.f_code
        if code.co_filename.startswith(_INSTALLED) and template in code.co_consts:
            return True
    return False
