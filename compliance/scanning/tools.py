"""Runs the tools of .venv-scan. Their exit codes are not believed, what they print is never shown."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from compliance.scanning.types import Reading, Scan, Unusable

FOLDER: Final = Path(".venv-scan", "bin")
LIMIT: Final = 600
"""Seconds after which a tool counts as hanging."""
PASSED_ON: Final = (
    *("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
)
"""All that a tool learns of our environment: never addresses or keys of the portal."""
UNREADABLE: Final = (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)
"""What reading a document raises that is not of the expected shape."""


def scanned(scanner: str, work: Callable[[Path], Reading]) -> Scan:
    """Run `work` in an empty folder of its own and make a Scan of it: an error unless it returns."""
    began = time.monotonic()

    def seconds() -> float:
        return round(time.monotonic() - began, 2)

    try:
        with tempfile.TemporaryDirectory(prefix="clinchat-scan-") as name:
            reading = work(Path(name).resolve())
    except Unusable as problem:
        return Scan(scanner, "error", reason=problem.reason, seconds=seconds())
    except UNREADABLE:
        return Scan(scanner, "error", reason="its output could not be read", seconds=seconds())
    found = tuple(sorted(reading.findings, key=lambda one: (one.place, one.rule)))
    said = (reading.version, reading.source, reading.source_date)
    return Scan(scanner, "findings" if found else "clean", *said, proved=True, findings=found, seconds=seconds())


def call(
    tree: Path,
    tool: str,
    *words: str | Path,
    home: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    limit: float | None = None,
) -> bytes:
    """What the tool printed to standard output. Raises Unusable where it is missing or hangs.

    `home`: the folder it may write to. It runs in the tree, or in `cwd`.
    """
    program, seconds = tree / FOLDER / tool, LIMIT if limit is None else limit
    if not program.is_file():
        raise Unusable(f"{tool} is not installed (make scan installs it)")
    given = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    given |= {"PATH": f"{program.parent}:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8", "TMPDIR": str(home)}
    try:
        with _running([str(program), *map(str, words)], cwd=cwd or tree, env=given | dict(env or {})) as process:
            return process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        raise Unusable(f"did not end within {seconds:.0f} seconds") from None
    except OSError:
        raise Unusable("could not be started") from None


@contextmanager
def _running(command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Nothing of it goes on afterwards: the tools start processes of their own."""
    process = subprocess.Popen(  # noqa: S603  # our own tools, by their full path
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def document(printed: bytes) -> dict[str, Any]:
    """The JSON object that was printed. Raises Unusable for anything else."""
    try:
        found = json.loads(printed)
    except (ValueError, RecursionError):
        raise Unusable("its output is not JSON") from None
    if not isinstance(found, dict):
        raise Unusable("its output is not what it should be")
    return found


def version(tree: Path, package: str) -> str:
    """The version of a package of .venv-scan, read from its folder: quicker than asking the tool."""
    plain = package.replace("-", "_")
    for found in (tree / FOLDER.parent).glob(f"lib/python*/site-packages/{plain}-*.dist-info"):
        return found.name.removesuffix(".dist-info").rpartition("-")[2]
    raise Unusable(f"{package} is not installed (make scan installs it)")


def all_read(expected: Sequence[Path], read: set[Path]) -> None:
    """Raises Unusable unless the tool says itself that it read every file it was given."""
    missed = len(set(expected) - read)
    if missed:
        raise Unusable(f"did not read {missed} of {len(expected)} files")
