"""YAML that knows where each value stands, so that whoever wrote it is told the file and the line."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.reader import ReaderError

NO_TEXT: Final = "tag:yaml.org,2002:null"
_Fast: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Reads eight times as fast where PyYAML came with libyaml. Where a text is wrong, SafeLoader alone says it exactly."""


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong with a file. `line` counts from 1."""

    file: str
    line: int
    words: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.words}"


class Problems:
    """What was found so far, in one file."""

    def __init__(self, file: str, found: list[Problem], *, before: int = 0) -> None:
        """`before` lines stand in the file before the text that is read."""
        self.file, self.found, self.before = file, found, before

    def add(self, line: int, words: str) -> None:
        self.found.append(Problem(self.file, line + self.before, words))


class At:
    """One value of a YAML document with its line. Reading what is not there, or is something else, is a problem."""

    def __init__(self, node: yaml.Node, problems: Problems) -> None:
        self.node, self.problems = node, problems
        self.line = node.start_mark.line + 1
        self._values: dict[str, yaml.Node] = {}
        self._lines: dict[str, int] = {}
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                name = str(key.value) if isinstance(key, yaml.ScalarNode) else "A list or mapping as a name"
                if name in self._values:
                    self.problems.add(key.start_mark.line + 1, f"{name} is given twice.")
                self._values[name], self._lines[name] = value, key.start_mark.line + 1

    def wrong(self, words: str, name: str = "") -> None:
        self.problems.add(self._lines.get(name, self.line), words)

    def only(self, *names: str) -> None:
        """Any other name is a problem."""
        if not isinstance(self.node, yaml.MappingNode):
            self.wrong(f"Here is to stand {', '.join(names[:3])} …, each with its value.")
        for name in self._values:
            if name not in names:
                self.wrong(f"{name} is not part of the format.", name)

    def has(self, name: str) -> bool:
        return name in self._values and self._values[name].tag != NO_TEXT

    @property
    def names(self) -> list[str]:
        return list(self._values)

    def text(self, name: str, *, longest: int, required: bool = True) -> str:
        value = self._scalar(name) if self.has(name) else ""
        if required and not value:
            self.wrong(f"{name} is missing.", name)
        if len(value) > longest:
            self.wrong(f"{name} has {len(value)} characters; {longest} are the most.", name)
        if not can_be_kept(value):
            self.wrong(f"{name} has a character that cannot be shown.", name)
        return value

    def choice(self, name: str, among: Collection[str], *, usual: str = "") -> str:
        value = self._scalar(name) if self.has(name) else usual
        if value not in among:
            self.wrong(f"{name} must be one of {', '.join(among)}.", name)
            return next(iter(among), "")
        return value

    def number(self, name: str, *, low: int, high: int) -> int:
        value = self._plain(name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.wrong(f"{name} must be a whole number from {low} to {high}.", name)
            return low
        return value

    def flag(self, name: str, *, usual: bool = False) -> bool:
        value = self._plain(name) if self.has(name) else usual
        if not isinstance(value, bool):
            self.wrong(f"{name} must be true or false.", name)
            return usual
        return value

    def each(self, name: str, *, fewest: int = 0, most: int) -> list[At]:
        """The entries of a list."""
        node = self._values.get(name)
        entries = node.value if isinstance(node, yaml.SequenceNode) else []
        if self.has(name) and not isinstance(node, yaml.SequenceNode):
            self.wrong(f"{name} must be a list.", name)
        elif not fewest <= len(entries) <= most:
            allowed = str(fewest) if fewest == most else f"{fewest} to {most}"
            self.wrong(f"{name} has {len(entries)} entries; {allowed} are needed.", name)
        return [At(entry, self.problems) for entry in entries]

    def texts(self, name: str, *, fewest: int = 0, most: int, longest: int = 200) -> list[str]:
        """The entries of a list of words."""
        found = []
        for entry in self.each(name, fewest=fewest, most=most):
            if not isinstance(entry.node, yaml.ScalarNode) or not 0 < len(entry.node.value.strip()) <= longest:
                entry.wrong(f"An entry of {name} must be a text of at most {longest} characters.")
            elif not can_be_kept(entry.node.value):
                entry.wrong(f"An entry of {name} has a character that cannot be shown.")
            else:
                found.append(str(entry.node.value).strip())
        return found

    def inside(self, name: str) -> At:
        """The value under a name as something to read on."""
        if name not in self._values:
            self.wrong(f"{name} is missing.")
            return At(yaml.MappingNode("", [], self.node.start_mark, self.node.end_mark), self.problems)
        return At(self._values[name], self.problems)

    def _scalar(self, name: str) -> str:
        node = self._values[name]
        if not isinstance(node, yaml.ScalarNode):
            self.wrong(f"{name} must be a text.", name)
            return ""
        return str(node.value).strip()

    def _plain(self, name: str) -> Any:
        node = self._values.get(name)
        if not isinstance(node, yaml.ScalarNode) or node.style:
            return None
        try:
            return yaml.load(node.value, Loader=_Fast)  # noqa: S506  # nosec B506  # nosemgrep: yaml-load  # a safe one
        except (yaml.YAMLError, ValueError):  # 2026-99-99 looks like a date
            return None


def can_be_kept(text: str) -> bool:
    """PostgreSQL keeps no NUL and no half of a character; both can be written in YAML's quotes, NUL in Markdown."""
    return not any((one < " " and one not in "\n\t") or "\ud800" <= one <= "\udfff" for one in text)


def _compose(text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=_Fast)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        return yaml.compose(text, Loader=yaml.SafeLoader)


def document(text: str, problems: Problems) -> At | None:
    """The document in the text; None, and a problem, when it is not YAML or empty."""
    try:
        node = _compose(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problems.add(mark.line + 1 if mark else 1, "This is not YAML. A text with a colon or a quote needs quotes.")
        return None
    except ReaderError as error:
        problems.add(text.count("\n", 0, error.position) + 1, "This character has no place in YAML.")
        return None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):  # "\UFFFFFFFF", lists a thousand deep
        problems.add(1, "This is not YAML.")
        return None
    if node is None:
        problems.add(1, "The file is empty.")
        return None
    return At(node, problems)


def entries(text: str, problems: Problems) -> Iterator[At]:
    """The entries of a document that is one list."""
    found = document(text, problems)
    if found is None:
        return
    if not isinstance(found.node, yaml.SequenceNode):
        found.wrong("The file must be a list.")
        return
    for node in found.node.value:
        yield At(node, problems)


def read_file(path: Path, name: str, found: list[Problem], look: Callable[[str], None]) -> None:
    """`look` at the text of the file, if it can be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        found.append(Problem(name, 1, "The file is missing."))
    except (OSError, UnicodeDecodeError):
        found.append(Problem(name, 1, "The file cannot be read as UTF-8 text."))
    else:
        look(text)
