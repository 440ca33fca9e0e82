"""Tags, and lines of what needs attention, as the overview pages show them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tag:
    look: str
    icon: str
    words: str


@dataclass(frozen=True, slots=True)
class Item:
    """Something to be done, and where."""

    look: str
    icon: str
    label: str
    title: str
    text: str
    url: str
    button: str
