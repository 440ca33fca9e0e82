"""Templates and scripts keep the page security rules (design: Security rules for pages)."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FORBIDDEN = {
    "inline script": re.compile(r"<script(?![^>]*\bsrc=)[^>]*>", re.IGNORECASE),
    "style block": re.compile(r"<style", re.IGNORECASE),
    "style attribute": re.compile(r"\sstyle=", re.IGNORECASE),
    "event handler": re.compile(r"\son[a-z]+=", re.IGNORECASE),
    "unescaped output": re.compile(r"\|\s*safe\b|autoescape off|mark_safe"),
    "data URL": re.compile(r"[\"'(]data:", re.IGNORECASE),
    "foreign address": re.compile(r"(?:src|href|action)=\"(?:https?:)?//", re.IGNORECASE),
}
UNSAFE_SCRIPT = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|localStorage|sessionStorage"
    r"|indexedDB"
)


def test_templates() -> None:
    templates = sorted((ROOT / "templates").rglob("*.html"))
    assert len(templates) > 10
    for path in templates:
        text = path.read_text()
        for name, pattern in FORBIDDEN.items():
            assert not pattern.search(text), f"{path.relative_to(ROOT)}: {name}"


def test_scripts_and_styles() -> None:
    scripts = sorted((ROOT / "static").rglob("*.js"))
    assert scripts
    for path in scripts:
        assert not UNSAFE_SCRIPT.search(path.read_text()), path.relative_to(ROOT)
    for path in (ROOT / "static").rglob("*.css"):
        assert not re.search(r"data:|https?://|@import", path.read_text()), path.relative_to(ROOT)


def test_product_never_marks_text_safe() -> None:
    for folder in ("clinchat", "chat", "training", "compliance"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not re.search(r"mark_safe|SafeString\(", path.read_text()), path.relative_to(ROOT)
