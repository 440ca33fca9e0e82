"""Template library "interactions": what alerts show beside the words of the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django import template

from chat.models import InteractionAlert

register = template.Library()
SEVERITIES = {
    "contraindicated": ("Contraindicated", "octagon-alert", "crit"),
    "major": ("Major interaction", "triangle-alert", "major"),
    "moderate": ("Moderate interaction", "info", "warn"),
    "minor": ("Minor interaction", "info", "info"),
}
"""Words, icon and color of each severity: never a color alone."""


@register.simple_tag
def override_reasons() -> list[tuple[str, str]]:
    """What an alert may be overridden for: values and words."""
    return [(str(value), str(words)) for value, words in InteractionAlert.Reason.choices]


@register.filter
def override_reason(value: str) -> str:
    """The words of a reason."""
    return str(dict(InteractionAlert.Reason.choices).get(value, ""))


@register.filter
def severity_words(value: str) -> str:
    return SEVERITIES[value][0]


@register.filter
def severity_icon(value: str) -> str:
    return SEVERITIES[value][1]


@register.filter
def severity_color(value: str) -> str:
    return SEVERITIES[value][2]


@register.filter
def from_iso(value: str) -> date | None:
    """A day or a moment as results keep it."""
    return (datetime if "T" in value else date).fromisoformat(value) if value else None


@register.filter
def members(found: Mapping[str, Any]) -> str:
    """How many members of a class interact, and which of them the shown interaction is of; empty without a class."""
    sides = (found.get("a_name", ""), found.get("b_name", ""))
    of = [name for name in found["names"] if name not in sides]
    if found.get("of", 1) == 1 or not of:
        return ""
    what = "members" if len(of) == 1 else "pairs of members"
    return (
        f"{found['among']} of {found['of']} {what}; gravest with {of[0]}"
        if len(of) == 1
        else (f"{found['among']} of {found['of']} {what}; gravest: {of[0]} with {of[1]}")
    )


@register.filter
def sentence(text: str) -> str:
    """The text with a full stop."""
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


@register.filter
def class_basis(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Ingredients that the source names by their class alone, each with the class."""
    return [(name, kind) for name, kind in zip(found["names"], found["as_class"], strict=True) if kind]


@register.filter
def by_source(sources: Sequence[Mapping[str, str]]) -> list[tuple[str, list[str]]]:
    """Sources with all the places in them, each source once."""
    found: dict[str, list[str]] = {}
    for source in sources:
        found.setdefault(source["name"], []).append(source["ref"])
    return list(found.items())
