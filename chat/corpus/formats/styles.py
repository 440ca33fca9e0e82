"""Whether a reader of a web page would see an element: inline styles, simple rules of its style sheets, colors."""

from __future__ import annotations

import re
from dataclasses import dataclass

RULE = re.compile(r"([^{}]{1,500})\{([^{}]{0,5000})\}")
AT_RULE = re.compile(r"@media[^{}]{0,300}\bprint\b[^{}]{0,300}\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", re.IGNORECASE)
SIMPLE = re.compile(r"([a-z][a-z0-9]*)?([.#][\w-]+)?", re.IGNORECASE)
LENGTH = re.compile(r"(-?\d{0,7}\.?\d{0,6})\s*(px|pt|em|rem|%|vw|vh|cm|mm|in)?")
PIXELS = {"px": 1.0, "pt": 1.33, "em": 16, "rem": 16, "%": 0.16, "vw": 12, "vh": 8, "cm": 38, "mm": 3.8, "in": 96}
NAMED = {
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "red": (255, 0, 0),
    "green": (0, 128, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "gray": (128, 128, 128),
    "grey": (128, 128, 128),
    "silver": (192, 192, 192),
    "navy": (0, 0, 128),
    "snow": (255, 250, 250),
    "ivory": (255, 255, 240),
    "whitesmoke": (245, 245, 245),
    "ghostwhite": (248, 248, 255),
}
TINY = 2.0
"""Letters of so few pixels or points are not read by anybody."""
OFF = -400.0
LEAST_CONTRAST = 1.12
"""WCAG's ratio below which text and ground are the same to an eye; readable text has 4.5."""

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Look:
    """What an element inherits: color of the text and of the ground, None where it cannot be known."""

    color: Color | None = (0, 0, 0)
    ground: Color | None = (255, 255, 255)


def declarations(style: str) -> dict[str, str]:
    found = {}
    for part in style[:5000].lower().split(";"):
        name, colon, value = part.partition(":")
        if colon:
            found[name.strip()] = value.replace("!important", "").strip()
    return found


def sheet(css: str) -> dict[str, dict[str, str]]:
    """Declarations by simple selector (p, .note, #x, p.note); anything that is not simple is left out."""
    css = AT_RULE.sub("", re.sub(r"/\*.*?\*/", "", css[:500_000], flags=re.DOTALL))
    rules: dict[str, dict[str, str]] = {}
    for match in RULE.finditer(css):
        for selector in match[1].split(","):
            name = selector.strip().lower()
            if name and SIMPLE.fullmatch(name):
                rules.setdefault(name, {}).update(declarations(match[2]))
    return rules


def unseen(style: dict[str, str]) -> str:
    """How the declarations hide an element; empty when they do not."""
    if style.get("display") == "none":
        return "display none"
    if style.get("visibility") in {"hidden", "collapse"} or style.get("content-visibility") == "hidden":
        return "invisible"
    if style.get("opacity", "1").rstrip("%") in {"0", "0.0", "0.00", ".0"}:
        return "invisible"
    if (size := pixels(style.get("font-size", ""))) is not None and size < TINY:
        return "tiny"
    return "off-page" if _moved_out(style) else ""


def seen_as(style: dict[str, str], look: Look) -> Look:
    """The colors in an element that has these declarations."""
    color, ground = look.color, look.ground
    if "color" in style:
        color = rgb(style["color"])
    for name in ("background-color", "background"):
        if name in style and style[name] not in {"none", "transparent", "inherit", "initial"}:
            ground = rgb(style[name])
    if "background-image" in style and style["background-image"] != "none":
        ground = None
    return Look(color, ground)


def same(look: Look) -> bool:
    """Whether text cannot be told from its ground."""
    if look.color is None or look.ground is None:
        return False
    lighter, darker = sorted((_luminance(look.color), _luminance(look.ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05) < LEAST_CONTRAST


def rgb(value: str) -> Color | None:
    """A color as CSS writes it; None for what cannot be known, such as a picture or a variable."""
    value = value.strip()
    if match := re.fullmatch(r"#([0-9a-f]{3,8})", value):
        digits = match[1]
        if len(digits) in {3, 4}:
            digits = "".join(2 * d for d in digits[:3])
        return (int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)) if len(digits) >= 6 else None
    if match := re.match(r"rgba?\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})", value):
        return int(match[1]), int(match[2]), int(match[3])
    return NAMED.get(value)


def pixels(value: str) -> float | None:
    match = LENGTH.fullmatch(value.strip())
    if not match or match[1] in {"", "-", ".", "-."}:
        return None
    return float(match[1]) * PIXELS.get(match[2] or "px", 1.0)


def _moved_out(style: dict[str, str]) -> bool:
    if (indent := pixels(style.get("text-indent", ""))) is not None and indent < OFF:
        return True
    if style.get("position") in {"absolute", "fixed"}:
        sides = [pixels(style.get(name, "")) for name in ("left", "top", "right", "bottom", "margin-left")]
        clipped = re.match(r"rect\(\s*[01](?:px)?[\s,]", style.get("clip", "")) is not None
        return clipped or any(side is not None and side < OFF for side in sides)
    if "inset(50%" in style.get("clip-path", "") or "inset(100%" in style.get("clip-path", ""):
        return True
    flat = any((side := pixels(style.get(name, ""))) is not None and side <= 1 for name in ("height", "width"))
    return flat and style.get("overflow") == "hidden"


def _luminance(color: Color) -> float:
    def channel(value: int) -> float:
        share = min(value, 255) / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = color
    return 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue)
