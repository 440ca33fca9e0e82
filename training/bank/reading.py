"""Reads the files of modules. Every problem is found at once, with its file and line; a module with one is not used."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from clinchat.lib.located import At, Problem, Problems, can_be_kept, document, read_file
from training.bank import items as item_files
from training.bank import markdown
from training.bank.types import (
    SIX,
    Card,
    Difficulty,
    Item,
    Lesson,
    Module,
    Objective,
    Reference,
    Rules,
)

KEY: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
CLAUSE: Final = re.compile(r"[a-z0-9]+(?:[-.][a-z0-9]+)*")
LESSON_FILE: Final = re.compile(r"([0-9]{2})-([a-z0-9-]{1,60})\.md")
VERSION: Final = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}")
WAIT: Final = re.compile(r"([0-9]{1,3})([mhd])")
SECONDS: Final = {"m": 60, "h": 3600, "d": 86400}
LONGEST_WAIT: Final = 30 * 86400
MOST_ATTEMPTS: Final = 5
CHOICES_PER_DRAW: Final = 3
"""A cell of the blueprint has so many questions for each that is drawn, so that two forms differ."""
FEWEST_ITEMS: Final = 40
FEWEST_OBJECTIVES: Final = 6
CASES: Final = 1 / 3
PICTURE_BYTES: Final = 64 * 1024
SVG: Final = "{http://www.w3.org/2000/svg}"
SHAPES: Final = (
    *("svg", "g", "defs", "title", "desc", "rect", "circle", "ellipse", "line", "polyline", "polygon", "path", "text"),
    *("tspan", "marker", "symbol", "linearGradient", "radialGradient", "stop", "pattern", "clipPath", "mask"),
)
_LEADS_OUT: Final = re.compile(r"url\s*\((?!\s*[\"']?#)|\\", re.IGNORECASE)
_MODULE: Final = (
    *("slug", "number", "title", "purpose", "version", "change", "material", "changed", "objectives"),
    *("references", "assessment", "blueprint", "card"),
)


def read_all(folder: Path, *, whole: bool = True) -> tuple[list[Module], list[Problem]]:
    """The modules in the folder, by their numbers, and what is wrong. `whole`: the six must be there."""
    found: list[Problem] = []
    modules = (
        [_read(path, path.name, found) for path in sorted(folder.iterdir()) if path.is_dir()] if folder.is_dir() else []
    )
    kept = sorted((module for module in modules if module is not None), key=lambda module: module.number)
    if whole:
        there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        found += [Problem(f"{slug}/module.yaml", 1, "The file is missing.") for slug in SIX if slug not in there]
    numbers = [module.number for module in kept]
    for module in kept:
        if numbers.count(module.number) > 1:
            found.append(Problem(f"{module.slug}/module.yaml", 1, f"Two modules have the number {module.number}."))
    return kept, sorted(found)


def read_one(folder: Path) -> tuple[Module | None, list[Problem]]:
    """The module in the folder, and what is wrong with its files."""
    found: list[Problem] = []
    module = _read(folder, folder.name, found)
    return module, sorted(found)


def _read(folder: Path, name: str, found: list[Problem]) -> Module | None:
    made: list[Module] = []

    def look(text: str) -> None:
        at = document(text, Problems(f"{name}/module.yaml", found))
        if at is not None:
            made.append(_module(at, folder, name, found))

    read_file(folder / "module.yaml", f"{name}/module.yaml", found, look)
    return made[0] if made else None


def _module(at: At, folder: Path, name: str, found: list[Problem]) -> Module:
    at.only(*_MODULE)
    slug = at.text("slug", longest=40)
    if slug != name or not KEY.fullmatch(slug):
        at.wrong(f"slug must be the name of the folder, {name}.", "slug")
    version = at.text("version", longest=7)
    if not VERSION.fullmatch(version):
        at.wrong('version must look like "1.0", in quotes.', "version")
    objectives = _objectives(at)
    references = _references(at)
    names, clauses = [one.key for one in objectives], [one.key for one in references]
    lessons = _lessons(folder, name, found, names, clauses)
    changed = at.texts("changed", most=20)
    for key in changed:
        if key not in {lesson.key for lesson in lessons}:
            at.wrong(f"There is no lesson {key}.", "changed")
    items = _items(folder, name, found, names, clauses)
    blueprint = _blueprint(at, names, items)
    _enough(at, names, items)
    pictures = _pictures(folder, name, found, lessons)
    return Module(
        slug=slug,
        number=at.number("number", low=1, high=99),
        title=at.text("title", longest=60),
        purpose=at.text("purpose", longest=300),
        version=version,
        change=at.text("change", longest=300),
        material=at.flag("material"),
        changed=changed,
        objectives=objectives,
        references=references,
        rules=_rules(at.inside("assessment")),
        blueprint=blueprint,
        card=_card(at),
        lessons=lessons,
        items=items,
        pictures=pictures,
        sha256=_digest(folder),
    )


def _objectives(at: At) -> list[Objective]:
    found = []
    for entry in at.each("objectives", fewest=FEWEST_OBJECTIVES, most=12):
        entry.only("key", "text")
        found.append(Objective(_key(entry, KEY), entry.text("text", longest=200)))
    _once(at, "objectives", [one.key for one in found])
    return found


def _references(at: At) -> list[Reference]:
    found = []
    for entry in at.each("references", fewest=1, most=40):
        entry.only("key", "name", "says")
        found.append(Reference(_key(entry, CLAUSE), entry.text("name", longest=120), entry.text("says", longest=400)))
    _once(at, "references", [one.key for one in found])
    return found


def _key(entry: At, form: re.Pattern[str]) -> str:
    key = entry.text("key", longest=60)
    if key and not form.fullmatch(key):
        entry.wrong("key must be lower case letters and digits with hyphens between them.", "key")
    return key


def _once(at: At, name: str, keys: Sequence[str]) -> None:
    for key in {key for key in keys if keys.count(key) > 1}:
        at.wrong(f"{key} is among the {name} twice.", name)


def _rules(at: At) -> Rules:
    at.only("pass_percent", "attempts", "wait", "minutes")
    attempts = at.number("attempts", low=1, high=MOST_ATTEMPTS)
    wait = []
    for text in at.texts("wait", fewest=attempts, most=attempts, longest=5):
        said = WAIT.fullmatch(text)
        seconds = int(said[1]) * SECONDS[said[2]] if said else 0
        if not said or seconds > LONGEST_WAIT:
            at.wrong("wait holds times such as 10m, 24h or 7d, of at most 30 days.", "wait")
        wait.append(seconds)
    minutes = at.number("minutes", low=5, high=480) if at.has("minutes") else None
    return Rules(at.number("pass_percent", low=50, high=100), attempts, wait, minutes)


def _card(at: At) -> list[Card]:
    found = []
    for entry in at.each("card", fewest=2, most=6):
        entry.only("heading", "lines")
        lines = entry.texts("lines", fewest=1, most=7, longest=160)
        found.append(Card(entry.text("heading", longest=60), lines))
    return found


def _blueprint(at: At, objectives: Collection[str], items: Sequence[Item]) -> dict[str, dict[Difficulty, int]]:
    inside = at.inside("blueprint")
    inside.only(*objectives)
    found: dict[str, dict[Difficulty, int]] = {}
    for objective in objectives:
        if objective not in inside.names:
            at.wrong(f"The blueprint draws nothing for {objective}.", "blueprint")
            continue
        cell = inside.inside(objective)
        cell.only(*[one.value for one in Difficulty])
        found[objective] = {
            Difficulty(key): cell.number(key, low=1, high=9) for key in cell.names if key in list(Difficulty)
        }
        if not found[objective]:
            inside.wrong(f"The blueprint draws nothing for {objective}.", objective)
        for difficulty, drawn in found[objective].items():
            there = sum(item.objective == objective and item.difficulty is difficulty for item in items)
            if there < CHOICES_PER_DRAW * drawn:
                need = CHOICES_PER_DRAW * drawn
                words = f"{objective}, {difficulty}: {there} questions; to draw {drawn}, {need} are needed."
                cell.wrong(words, difficulty)
    return found


def _enough(at: At, objectives: Collection[str], items: Sequence[Item]) -> None:
    if len(items) < FEWEST_ITEMS:
        at.wrong(f"items.yaml has {len(items)} questions; at least {FEWEST_ITEMS} are needed.")
    cases = sum(bool(item.case) for item in items)
    if cases < CASES * len(items):
        at.wrong(f"{cases} of {len(items)} questions have a case; a third is needed.")


def _items(
    folder: Path, name: str, found: list[Problem], objectives: Collection[str], clauses: Collection[str]
) -> list[Item]:
    file, items = f"{name}/items.yaml", []

    def look(text: str) -> None:
        items.extend(item_files.read(text, Problems(file, found), objectives=objectives, clauses=clauses))

    read_file(folder / "items.yaml", file, found, look)
    return items


def _lessons(
    folder: Path, name: str, found: list[Problem], objectives: Collection[str], clauses: Collection[str]
) -> list[Lesson]:
    lessons: list[Lesson] = []
    keys: set[str] = set()
    paths = sorted((folder / "lessons").glob("*.md")) if (folder / "lessons").is_dir() else []
    if not paths:
        found.append(Problem(f"{name}/lessons", 1, "There is no lesson."))
    for number, path in enumerate(paths, 1):
        file = f"{name}/lessons/{path.name}"
        named = LESSON_FILE.fullmatch(path.name)
        if named is None or int(named[1]) != number:
            found.append(Problem(file, 1, f"The name must look like {number:02}-write-the-question.md."))
            continue
        if named[2] in keys:
            found.append(Problem(file, 1, f"There is another lesson {named[2]}."))
        keys.add(named[2])

        def look(text: str, file: str = file, key: str = named[2]) -> None:
            lesson = _lesson(text, file, key, found, objectives, clauses)
            if lesson is not None:
                lessons.append(lesson)

        read_file(path, file, found, look)
    return lessons


def front_matter(text: str, file: str, found: list[Problem]) -> tuple[At, str, int] | None:
    """The YAML between the lines of three hyphens, the text after it, and how many lines stand before that."""
    lines = text.split("\n")
    if lines[0].strip() != "---" or "---" not in [line.strip() for line in lines[1:]]:
        found.append(Problem(file, 1, "The file must begin with YAML between two lines of ---."))
        return None
    end = 1 + [line.strip() for line in lines[1:]].index("---")
    at = document("\n".join(lines[1:end]), Problems(file, found, before=1))
    return (at, "\n".join(lines[end + 1 :]), end + 1) if at is not None else None


def checked_markdown(text: str, file: str, found: list[Problem], before: int) -> str:
    """The text without the space around it, and a problem when it is outside the subset."""
    try:
        if not markdown.read(text):
            found.append(Problem(file, before + 1, "There is no text after the front matter."))
    except markdown.Unknown as unknown:
        found.append(Problem(file, before + unknown.line, unknown.words))
    for number, line in enumerate(text.split("\n"), before + 1):
        if not can_be_kept(line):
            found.append(Problem(file, number, "This line has a character that cannot be shown."))
    return text.strip()


def _lesson(
    text: str, file: str, key: str, found: list[Problem], objectives: Collection[str], clauses: Collection[str]
) -> Lesson | None:
    parts = front_matter(text, file, found)
    if parts is None:
        return None
    at, body, before = parts
    at.only("title", "minutes", "objectives", "clauses", "check")
    check = at.inside("check")
    check.only("question", "options")
    options = item_files.options(check, fewest=3, most=4)
    item_files.one_right(check, options)
    return Lesson(
        key=key,
        title=at.text("title", longest=70),
        minutes=at.number("minutes", low=1, high=30),
        objectives=_known(at, "objectives", objectives),
        clauses=_known(at, "clauses", clauses),
        text=checked_markdown(body, file, found, before),
        question=check.text("question", longest=300),
        options=options,
    )


def _known(at: At, name: str, known: Collection[str]) -> list[str]:
    found = at.texts(name, fewest=1, most=8)
    for key in found:
        if key not in known:
            at.wrong(f"There is no {key} among the module's {'references' if name == 'clauses' else name}.", name)
    return found


def _pictures(folder: Path, name: str, found: list[Problem], lessons: Sequence[Lesson]) -> Mapping[str, str]:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    pictures: dict[str, str] = {}
    paths = sorted((folder / "pictures").glob("*")) if (folder / "pictures").is_dir() else []
    for path in paths:
        file = f"{name}/pictures/{path.name}"

        def look(text: str, file: str = file, key: str = path.name) -> None:
            try:
                root = etree.fromstring(text.encode(), parser)
            except etree.XMLSyntaxError as error:
                found.append(Problem(file, error.lineno or 1, "This is not an SVG picture."))
                return
            _plain_picture(root, text, file, found)
            pictures[key] = text

        read_file(path, file, found, look)
    used = {block.picture for lesson in lessons for block in _all(lesson.text)}
    there = {path.name for path in paths}
    wrong = dict.fromkeys(used - there - {""}, "A lesson shows this picture; it is missing.")
    wrong |= dict.fromkeys(there - used, "No lesson shows this picture.")
    found += [Problem(f"{name}/pictures/{picture}", 1, words) for picture, words in wrong.items()]
    return pictures


def _all(text: str) -> list[markdown.Block]:
    try:
        return list(_inside(markdown.read(text)))
    except markdown.Unknown:
        return []


def _inside(blocks: Iterable[markdown.Block]) -> Iterator[markdown.Block]:
    for block in blocks:
        yield block
        yield from _inside(block.blocks)


def _plain_picture(root: Any, text: str, file: str, found: list[Problem]) -> None:
    """Shapes and words only: it is shown by a browser."""
    if root.tag != f"{SVG}svg" or len(text.encode()) > PICTURE_BYTES:
        found.append(Problem(file, 1, f"The picture must be an SVG of at most {PICTURE_BYTES // 1024} KB."))
    if root.getroottree().docinfo.doctype or "<?" in text.removeprefix("<?xml "):
        found.append(Problem(file, 1, "The picture may have no document type and no instructions."))
    for element in root.iter():
        if isinstance(element.tag, str):
            found += [Problem(file, element.sourceline or 1, words) for words in _wrong_with(element)]


def _wrong_with(element: Any) -> Iterator[str]:
    if not element.tag.startswith(SVG) or element.tag.removeprefix(SVG) not in SHAPES:
        yield "The picture may hold shapes and words only."
    for name, value in element.attrib.items():
        plain = name.rpartition("}")[2].lower()
        if plain in {"href", "style", "base"} or plain.startswith("on") or _LEADS_OUT.search(value):
            yield "The picture may have no links, scripts or style attributes."


def _digest(folder: Path) -> str:
    """Over the names and bytes of all files of the module."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
