"""Protected health information: found, masked, restored. Plain Python; nothing is read or sent while it works."""

from __future__ import annotations

from compliance.phi.engine import MAX_CHARS, find, mask, warm
from compliance.phi.tokens import restore, segments
from compliance.phi.types import Entity, Label, Masked, PhiUnavailable, Segment, Span, label_words

__all__ = [
    "MAX_CHARS",
    "Entity",
    "Label",
    "Masked",
    "PhiUnavailable",
    "Segment",
    "Span",
    "find",
    "label_words",
    "mask",
    "restore",
    "segments",
    "warm",
]
