"""Reads documents from files and uploads. Every malformed place is reported with file and line; nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from chat.corpus import sandbox
from chat.corpus.formats import MAX_BYTES, Hidden, Malformed, Options, Problem, Reading, Source, registry, sniff

__all__ = ["Hidden", "Malformed", "Problem", "Reading", "Source", "read", "read_bytes"]


def read(path: Path, *, ocr: bool = False) -> Reading:
    """Read a file, or every file of a known kind below a folder, in name order. Never raises for content.

    Markdown must have its front matter. `ocr` recognizes the text of scans, where tesseract is installed.
    """
    reading = Reading()
    folder = path.is_dir()
    files = sorted(p for p in path.rglob("*") if p.suffix.lower() in sniff.SUFFIXES) if folder else [path]
    if not files:
        reading.problems.append(Problem(str(path), 0, f"the folder holds no file that can be read: {sniff.ACCEPTED}"))
    seen: dict[str, Path] = {}
    for file, found in zip(files, _readings(files, ocr=ocr), strict=True):
        reading.media_type = "" if folder else found.media_type
        reading.problems += [replace(problem, file=str(file)) for problem in found.problems]
        for source in found.sources:
            if (first := seen.setdefault(source.external_id, file)) != file:
                what = f"id “{source.external_id}” was already used in {first.name}"
                reading.problems.append(Problem(str(file), 0, what))
            else:
                reading.sources.append(source)
    return reading


def read_bytes(content: bytes, *, name: str, ocr: bool = False, limits: sandbox.Limits | None = None) -> Reading:
    """Read what a person uploaded. `name` is only for messages, and the id and title of a document that has none."""
    if len(content) > MAX_BYTES:
        return Reading(problems=[Problem(name, 0, f"the file is larger than {MAX_BYTES // 1_000_000} MB")])
    found = _known(content, Options(name, ocr=ocr))
    return sandbox.parse(found, limits=limits) if isinstance(found, sandbox.File) else found


def _readings(files: list[Path], *, ocr: bool) -> Iterator[Reading]:
    """One for each file, in order; only a few files are held at a time."""
    waiting: list[sandbox.File | Reading] = []
    for file in files:
        try:
            waiting.append(_known(file.read_bytes(), Options(file.name, ocr=ocr, front_matter=True)))
        except OSError:
            waiting.append(Reading(problems=[Problem(file.name, 0, "the file cannot be read")]))
        if len(waiting) == sandbox.BATCH:
            yield from _parsed(waiting)
            waiting = []
    yield from _parsed(waiting)


def _parsed(waiting: list[sandbox.File | Reading]) -> Iterator[Reading]:
    parsed = sandbox.parse_all(found for found in waiting if isinstance(found, sandbox.File))
    for found in waiting:
        yield next(parsed) if isinstance(found, sandbox.File) else found


def _known(content: bytes, options: Options) -> sandbox.File | Reading:
    """The reading of what is simple or refused; what needs a process of its own is given back with its type."""
    try:
        media_type = sniff.media_type(content, options.name)
    except Malformed as problem:
        return Reading(problems=[Problem(options.name, problem.line, problem.what)])
    if media_type in registry.SIMPLE:
        return registry.parse(content, media_type, options)
    return sandbox.File(content, media_type, options)
