"""Runs a parser in a process of its own, with nothing of ours in reach: no settings, no keys, no database.

The process may use so much memory and time and no network, and may start no other program: see
chat.corpus.formats.confine.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from chat.corpus.formats import Options, Problem, Reading, sniff, wire

ROOT = Path(__file__).resolve().parents[2]
MODULE = "chat.corpus.formats"
BATCH, BATCH_BYTES = 100, 8_000_000
STEP = 1 << 16
LAST_SECONDS = 0.5
"""How long a process that was heard out, or given up, has to end by itself."""


@dataclass(frozen=True)
class Limits:
    """What one file may cost: seconds by the clock and of the processor, bytes of memory and of what is read out."""

    seconds: int = 120
    processor: int = 60
    memory: int = 1_500_000_000
    output: int = 60_000_000


USUAL = Limits()
BY_TYPE = {sniff.PDF: Limits(seconds=600, processor=240)}
"""A PDF of 500 full pages takes a minute of a processor, and several where others want it too."""
RECOGNITION = Limits(seconds=1100, processor=900, memory=3_000_000_000)


@dataclass(frozen=True)
class File:
    content: bytes
    media_type: str
    options: Options


def parse(file: File, *, limits: Limits | None = None) -> Reading:
    """What the parser for its type makes of a file. Never raises: whatever happens to the process is a problem."""
    limits = limits or (RECOGNITION if file.options.ocr else BY_TYPE.get(file.media_type, USUAL))
    readings, what = _run([file], limits)
    if readings:
        return readings[0]
    return Reading(problems=[Problem(file.options.name, 0, what)], media_type=file.media_type)


def parse_all(files: Iterable[File]) -> Iterator[Reading]:
    """The readings in order. Small files share a process; when one of them breaks it, each is read alone."""
    batch: list[File] = []
    for file in files:
        alone = file.options.ocr or file.media_type in BY_TYPE or len(file.content) > BATCH_BYTES // 4
        if batch and (alone or len(batch) == BATCH or sum(len(f.content) for f in batch) > BATCH_BYTES):
            yield from _batch(batch)
            batch = []
        if alone:
            yield parse(file)
        else:
            batch.append(file)
    yield from _batch(batch)


def _batch(files: list[File]) -> Iterator[Reading]:
    readings = _run(files, USUAL)[0] if len(files) > 1 else []
    yield from readings or (parse(file) for file in files)


def _run(files: list[File], limits: Limits) -> tuple[list[Reading], str]:
    """One process for these files: a reading of each, or none and why."""
    order = {
        "files": [
            {"size": len(f.content), "media_type": f.media_type, "name": f.options.name, "ocr": f.options.ocr}
            | {"front_matter": f.options.front_matter}
            for f in files
        ],
        "memory": limits.memory,
        "seconds": limits.processor,
        "output": limits.output,
    }
    # UTF-8 mode makes the child independent of a locale; of the environment it gets nothing.
    command = [sys.executable, "-X", "utf8", "-B", "-E", "-s", "-m", MODULE]
    environment = {"PATH": os.defpath, "OMP_THREAD_LIMIT": "1"}
    process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # could quote the document
        start_new_session=True,
    )
    try:
        # The order goes in with the files: arguments are seen by every account of the machine, and it has their names.
        sent = b"".join((json.dumps(order).encode(), b"\n", *(f.content for f in files)))
        answer, what = _talk(process, sent, limits)
    finally:
        _end(process)
    if what:
        return [], what
    try:
        return wire.unpack(answer, names=[f.options.name for f in files]), ""
    except ValueError:
        return [], _died(process.returncode, limits)


def _talk(process: subprocess.Popen[bytes], content: bytes, limits: Limits) -> tuple[bytes, str]:
    """Write the file and read the answer at once; what went wrong, if anything did."""
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the process has no pipes")
    until = time.monotonic() + limits.seconds
    answer = bytearray()
    rest = memoryview(content)
    os.set_blocking(process.stdin.fileno(), False)
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdin, selectors.EVENT_WRITE)
        ready.register(process.stdout, selectors.EVENT_READ)
        while True:
            left = until - time.monotonic()
            if left <= 0:
                os.killpg(process.pid, signal.SIGKILL)
                return b"", _slow(limits)
            for key, _ in ready.select(left):
                if key.fileobj is process.stdin:
                    rest = _written(process, rest)
                    if not rest:
                        ready.unregister(process.stdin)
                        process.stdin.close()
                elif step := os.read(process.stdout.fileno(), STEP):
                    answer += step
                    if len(answer) > limits.output:
                        return b"", "the text of the file is too long to be taken in"
                else:
                    return bytes(answer), ""


def _written(process: subprocess.Popen[bytes], rest: memoryview) -> memoryview:
    """What is still to be written; nothing when the process no longer listens."""
    try:
        return rest[os.write(process.stdin.fileno(), rest[:STEP]) :] if process.stdin else rest[:0]
    except BlockingIOError:
        return rest
    except OSError:
        return rest[:0]


def _end(process: subprocess.Popen[bytes]) -> None:
    """The process is gone, and so are its pipes and what it started."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    try:
        process.wait(timeout=LAST_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _slow(limits: Limits) -> str:
    return f"the file took too long to read (limit {limits.seconds} seconds)"


def _died(code: int | None, limits: Limits) -> str:
    """Why a process gave no reading: the kernel ends one that uses up its time, and one it has no memory for."""
    if code == -signal.SIGXCPU:
        return f"the file takes too much work to read (limit {limits.processor} seconds)"
    if code == -signal.SIGKILL:
        return "the file needs more time or memory to be read than a document should"
    return "the file is damaged and cannot be read"
