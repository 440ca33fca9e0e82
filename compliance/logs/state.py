"""What kind of process this is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class State:
    serving: bool = False
    masker: bool = True


state = State()
