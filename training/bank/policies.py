"""Reads the policies people have to accept: one Markdown file each, with YAML in front."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from clinchat.lib.located import Problem, read_file
from training.bank.reading import KEY, VERSION, checked_markdown, front_matter


@dataclass(frozen=True)
class PolicyFile:
    """`lessons` are those, as module/lesson, that whoever accepted an earlier version goes through again."""

    slug: str
    number: int
    title: str
    version: str
    change: str
    material: bool
    lessons: Sequence[str]
    text: str
    sha256: str


def read_all(folder: Path, *, lessons: Collection[str]) -> tuple[list[PolicyFile], list[Problem]]:
    """The policies by their numbers, and what is wrong with their files. `lessons` are those there are."""
    found: list[Problem] = []
    policies: list[PolicyFile] = []
    paths = sorted(folder.glob("*.md")) if folder.is_dir() else []
    if not paths:
        found.append(Problem(folder.name, 1, "There is no policy."))
    for path in paths:
        file = f"{folder.name}/{path.name}"

        def look(text: str, file: str = file, name: str = path.stem) -> None:
            policy = _policy(text, file, name, found, lessons)
            if policy is not None:
                policies.append(policy)

        read_file(path, file, found, look)
    return sorted(policies, key=lambda policy: policy.number), sorted(found)


def _policy(text: str, file: str, name: str, found: list[Problem], lessons: Collection[str]) -> PolicyFile | None:
    parts = front_matter(text, file, found)
    if parts is None:
        return None
    at, body, before = parts
    at.only("slug", "number", "title", "version", "change", "material", "lessons")
    slug, version = at.text("slug", longest=40), at.text("version", longest=7)
    if slug != name or not KEY.fullmatch(slug):
        at.wrong(f"slug must be the name of the file, {name}.", "slug")
    if not VERSION.fullmatch(version):
        at.wrong('version must look like "1.0", in quotes.', "version")
    named = at.texts("lessons", most=20)
    for lesson in named:
        if lesson not in lessons:
            at.wrong(f"There is no lesson {lesson}. A lesson is named as module/lesson.", "lessons")
    return PolicyFile(
        slug=slug,
        number=at.number("number", low=1, high=99),
        title=at.text("title", longest=80),
        version=version,
        change=at.text("change", longest=300),
        material=at.flag("material"),
        lessons=named,
        text=checked_markdown(body, file, found, before),
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )
