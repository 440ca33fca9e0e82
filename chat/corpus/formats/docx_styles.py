"""What the styles and numbering of a Word file say about a paragraph or run."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from chat.corpus.formats import xml

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)
OFF = {"0", "false", "off", "none"}
TINY = 5
"""Half-points: letters of two and a half points are not read by anybody."""
BULLETS = {"bullet", "none"}


@dataclass(frozen=True)
class Shown:
    """How a run looks: whether hidden or struck out, its color and size in half-points."""

    vanish: bool = False
    struck: bool = False
    color: str = ""
    size: int | None = None
    ground: str = ""
    raised: bool = False

    def hidden(self) -> str:
        """How it is hidden from a reader; empty when it is not."""
        if self.vanish:
            return "hidden"
        if self.size is not None and self.size < TINY:
            return "tiny"
        if is_white(self.color) and (not self.ground or is_white(self.ground)):
            return "white"
        return "struck out" if self.struck else ""


@dataclass
class Styles:
    """Styles by id, with what they are based on taken in."""

    names: dict[str, str] = field(default_factory=dict)
    levels: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, tuple[str, int]] = field(default_factory=dict)
    looks: dict[str, Shown] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Any) -> Styles:
        styles = cls()
        known = {s.get(f"{W}styleId") or "": s for s in xml.find_all(root, "style")} if root is not None else {}
        for style_id in known:
            styles.take(style_id, known, set())
        return styles

    def take(self, style_id: str, known: dict[str, Any], seen: set[str]) -> None:
        if style_id in self.names or style_id in seen or style_id not in known:
            return
        seen.add(style_id)
        style = known[style_id]
        base = value(xml.find(style, "basedOn"))
        self.take(base, known, seen)
        self.names[style_id] = value(xml.find(style, "name"))
        self.looks[style_id] = look(xml.find(style, "rPr"), self.looks.get(base, Shown()))
        properties = xml.find(style, "pPr")
        match = HEADING.fullmatch(self.names[style_id])
        outline = value(xml.find(properties, "outlineLvl"))
        if match:
            self.levels[style_id] = int(match[1])
        elif outline.isdecimal() and int(outline) < 9:
            self.levels[style_id] = int(outline) + 1
        elif base in self.levels:
            self.levels[style_id] = self.levels[base]
        number = numbering(properties)
        if number or base in self.numbers:
            self.numbers[style_id] = number or self.numbers[base]


@dataclass
class Lists:
    """Numbering: what kind of list a number is of, and how far each has counted."""

    kinds: dict[tuple[str, int], tuple[bool, int]] = field(default_factory=dict)
    _counts: dict[tuple[str, int], int] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Any) -> Lists:
        lists = cls()
        if root is None:
            return lists
        abstract = {a.get(f"{W}abstractNumId"): a for a in xml.find_all(root, "abstractNum")}
        for number in xml.find_all(root, "num"):
            definition = abstract.get(value(xml.find(number, "abstractNumId")))
            for level in xml.find_all(definition, "lvl") if definition is not None else ():
                depth, start = level.get(f"{W}ilvl") or "0", value(xml.find(level, "start"))
                ordered = value(xml.find(level, "numFmt")) not in BULLETS
                first = int(start) if start.isdecimal() else 1
                if depth.isdecimal():
                    lists.kinds[number.get(f"{W}numId") or "", int(depth)] = (ordered, first)
        return lists

    def next(self, number: str, depth: int) -> int | None:
        """The number of the next item; None for a bullet."""
        ordered, first = self.kinds.get((number, depth), (False, 1))
        for key in [key for key in self._counts if key[0] == number and key[1] > depth]:
            del self._counts[key]
        self._counts[number, depth] = self._counts.get((number, depth), first - 1) + 1
        return self._counts[number, depth] if ordered else None


def look(properties: Any, base: Shown) -> Shown:
    """The look of a run with these properties on top of those of its style."""
    if properties is None:
        return base
    found = {xml.name(child): child for child in properties}
    size = value(found.get("sz"))
    shading = found.get("shd")
    ground = (shading.get(f"{W}fill") or "") if shading is not None else base.ground
    if "highlight" in found:
        ground = "highlight"
    return Shown(
        vanish=_on(found, "vanish", default=base.vanish) or _on(found, "webHidden", default=False),
        struck=_on(found, "strike", default=base.struck) or _on(found, "dstrike", default=False),
        color=value(found.get("color")) or base.color,
        size=int(size) if size.isdecimal() else base.size,
        ground="" if ground == "auto" else ground,
        raised=value(found.get("vertAlign")) == "superscript" or ("vertAlign" not in found and base.raised),
    )


def numbering(properties: Any) -> tuple[str, int] | None:
    """The list a paragraph is in and how deep; None outside lists."""
    number = xml.find(properties, "numPr")
    which, depth = value(xml.find(number, "numId")), value(xml.find(number, "ilvl"))
    if not which or which == "0":
        return None
    return which, int(depth) if depth.isdecimal() else 0


def value(element: Any) -> str:
    return (element.get(f"{W}val") or "") if element is not None else ""


def is_white(color: str) -> bool:
    """Whether a color is that of paper, or so near that nobody reads it there."""
    if not re.fullmatch(r"[0-9A-Fa-f]{6}", color):
        return color.lower() == "white"
    return min(int(color[i : i + 2], 16) for i in (0, 2, 4)) >= 0xF0


def _on(found: dict[str, Any], name: str, *, default: bool) -> bool:
    return value(found[name]).lower() not in OFF if name in found else default
