"""A row of the event matrix: one address, and what its request leaves in the audit trail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

READ = ("sensitive_read", "R")
HANDED_OUT = ("sensitive_read", "E")
"""What became of an export: how much it was, and its digest."""
DENIED = ("authz_fail", "E")


@dataclass(frozen=True)
class Row:
    """`leaves` is what the person the row is for leaves behind; `own` names whose alone the object is."""

    leaves: tuple[tuple[str, str], ...] = ()
    post: dict[str, Any] | None = None
    own: str = ""
    arguments: dict[str, str] = field(default_factory=dict)


PUBLIC = Row()
