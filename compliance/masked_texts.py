"""Where masked text is kept, named by the apps that keep it, so that a check can look at all of it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Manager, Model, QuerySet

from compliance.models import AuditPurge, Clearance, MaskReport, MaskTerm, NetworkBlock, RoleRequest

MASKED = r"\[[A-Z][A-Z_0-9]*-[1-9][0-9]*\]"
"""What a text with a token in it matches, in PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Column:
    """One field of one table, and the moment its text was written."""

    name: str
    model: type[Model]
    field: str
    written: str

    def newest(self, number: int) -> QuerySet[Model, str]:
        """The texts written last."""
        found = self._rows().exclude(**{self.field: ""}).order_by(f"-{self.written}")
        return found.values_list(self.field, flat=True)[:number]

    def since(self, moment: datetime) -> tuple[int, int]:
        """How many texts were written since, and how many of them with something masked."""
        found = self._rows().filter(**{f"{self.written}__gte": moment})
        return found.count(), found.filter(**{f"{self.field}__regex": MASKED}).count()

    def _rows(self) -> Manager[Model]:
        return self.model._default_manager  # noqa: SLF001  # documented by Django


_columns: dict[str, Column] = {}
_trials: dict[str, Callable[[str], None]] = {}


def register(name: str, model: type[Model], field: str, *, written: str = "created_at") -> None:
    """`name` is what an operator reads of it: question, comment."""
    _columns[name] = Column(name, model, field, written)


def register_own() -> None:
    """What staff write in prose, as far as it is not sealed."""
    register("mask report", MaskReport, "note")
    register("mask report, settled", MaskReport, "settled_note", written="settled_at")
    register("local term", MaskTerm, "reason", written="proposed_at")
    register("block", NetworkBlock, "reason", written="made_at")
    register("clearance", Clearance, "reason", written="granted_at")
    register("role request", RoleRequest, "reason", written="requested_at")
    register("role request, decided", RoleRequest, "note", written="decided_at")
    register("purge", AuditPurge, "reason", written="requested_at")


def on_trial(name: str, take: Callable[[str], None]) -> None:
    """`take` stores a text as that feature does; whoever calls it undoes the transaction."""
    _trials[name] = take


def columns() -> tuple[Column, ...]:
    return tuple(_columns.values())


def trials() -> dict[str, Callable[[str], None]]:
    return dict(_trials)


def questions_since(moment: datetime) -> tuple[int, int]:
    """How many questions were asked since, and how many of them with something masked."""
    return _columns["question"].since(moment) if "question" in _columns else (0, 0)
