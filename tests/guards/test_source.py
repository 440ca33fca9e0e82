"""Rules of the house that hold for every source file."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("clinchat", "chat", "training", "compliance")
LONGEST = 500


def sources(*folders: str) -> list[Path]:
    found = [p for f in folders for p in sorted((ROOT / f).rglob("*.py")) if "migrations" not in p.parts]
    assert len(found) > 10, "the guard scans nothing"
    return found


def test_no_module_over_500_lines() -> None:
    for path in sources(*PRODUCT, "tests"):
        lines = len(path.read_text().splitlines())
        assert lines <= LONGEST, f"{path.relative_to(ROOT)} has {lines} lines"


def test_no_catch_all_modules() -> None:
    for path in sources(*PRODUCT):
        assert path.stem not in {"utils", "helpers", "common", "misc"}, path.relative_to(ROOT)


def test_nothing_says_what_an_exception_said() -> None:
    """str(exc) of a library can quote what a person typed."""
    pattern = re.compile(r"\bstr\((?:e|exc|err|error|exception)\)|logger\.exception\(|exc_info=True")
    for path in sources(*PRODUCT):
        assert not pattern.search(path.read_text()), path.relative_to(ROOT)


def test_only_sse_makes_streams() -> None:
    for path in sources(*PRODUCT):
        if path != ROOT / "clinchat/lib/sse.py":
            assert "StreamingHttpResponse" not in path.read_text(), f"{path.relative_to(ROOT)}: use clinchat.lib.sse"


def tasks() -> Iterator[tuple[Path, ast.FunctionDef, ast.expr]]:
    for path in sources(*PRODUCT):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                for decorator in node.decorator_list:
                    if "shared_task" in ast.unparse(decorator) or ast.unparse(decorator).startswith("app.task"):
                        yield path, node, decorator


def test_every_task_names_queue_and_limits_and_takes_ids_only() -> None:
    found = list(tasks())
    assert len(found) >= 3
    for path, task, decorator in found:
        where = f"{path.relative_to(ROOT)}: {task.name}"
        given = {k.arg for k in decorator.keywords} if isinstance(decorator, ast.Call) else set()
        assert {"queue", "time_limit", "soft_time_limit"} <= given, where
        for argument in task.args.args:
            assert argument.arg.endswith("_id"), f"{where} takes {argument.arg}; ids only, no text to the broker"
        assert (task.end_lineno or 0) - task.lineno < 15, f"{where} is long; the work belongs in a service"


def test_everything_on_the_schedule_can_be_sent() -> None:
    from clinchat.celery import app

    app.loader.import_default_modules()
    assert app.conf.beat_schedule
    for name, entry in app.conf.beat_schedule.items():
        sent = app.tasks[entry["task"]].apply_async(**entry["options"])
        assert sent.id, name
    app.control.purge()


def test_every_worker_queue_is_served() -> None:
    from clinchat.lib.queues import Queues

    launcher = "".join(p.read_text() for p in (ROOT / "clinchat/local").glob("*.py"))
    for queue in Queues:
        assert queue in launcher, f"no worker of `make run` serves {queue}"


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("clinchat", ("django", "llama_index", "onnxruntime", "scrubadub", "numpy")),
        ("chat.tasks", ("llama_index", "onnxruntime", "tokenizers", "scrubadub", "sklearn")),
        ("clinchat.urls", ("llama_index", "onnxruntime", "tokenizers", "scrubadub", "sklearn")),
        ("compliance.phi", ("django", "scrubadub", "sklearn")),
    ],
)
def test_importing_loads_no_heavy_library(module: str, heavy: tuple[str, ...]) -> None:
    django = module not in {"clinchat", "compliance.phi"}
    setup = "import django; django.setup(); " if django else ""
    code = f"import sys; {setup}import {module}; print([m for m in {heavy!r} if m in sys.modules])"
    env = {"DJANGO_SETTINGS_MODULE": "clinchat.settings", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_dependency_contracts() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
