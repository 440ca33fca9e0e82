"""Only colors depend on the color scheme.

So the browser tests, which look at every page in both, ask axe in the second one for nothing but colors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STYLES = sorted((ROOT / "static/css").glob("*.css"))
COLORED = re.compile(r"(--[a-z-]+|color-scheme|outline-color)")
"""What a rule for one scheme may say; axe reads no color from the custom properties of Django's admin."""


def rules_for_one_scheme(css: str) -> Iterator[str]:
    """Each declaration that holds in one color scheme only."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    for selector, body in re.findall(r"([^{}]*)\{([^{}]*)\}", css):
        before = css[: css.index(f"{selector}{{{body}}}")]
        media = before[before.rfind("@media") :] if before.count("{") > before.count("}") else ""
        if "data-theme" in selector or "prefers-color-scheme" in media:
            yield from (f"{selector.strip()} {{ {one.strip()} }}" for one in body.split(";") if one.strip())


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_a_rule_for_one_scheme_says_colors(path: Path) -> None:
    wrong = [r for r in rules_for_one_scheme(path.read_text()) if not COLORED.fullmatch(r.split("{ ")[1].split(":")[0])]
    assert not wrong, wrong


def test_no_script_asks_for_the_scheme() -> None:
    scripts = [*(ROOT / "static").rglob("*.js"), *(ROOT / "templates").rglob("*.html")]
    assert not [path for path in scripts if "prefers-color-scheme" in path.read_text()]


def test_these_tests_see_a_rule_that_hides() -> None:
    hides = [
        "html[data-theme=dark] .x { display: none }",
        "@media (prefers-color-scheme: dark) { .x { display: none } }",
    ]
    for css in hides:
        assert [rule.split("{ ")[1] for rule in rules_for_one_scheme(css)] == ["display: none }"]
    assert not list(rules_for_one_scheme("@media print { .x { display: none } } .y { display: none }"))
