"""The Celery queues. Each exists so that one kind of work cannot starve another."""

from __future__ import annotations

from enum import StrEnum


class Queues(StrEnum):
    ANSWERS = "answers"
    """A clinician is waiting: nothing slow may ever be put here."""
    EMBEDDING = "embedding"
    """Minutes of CPU per document set; may be interrupted and goes on where it stopped."""
    MAINTENANCE = "maintenance"
    """Short periodic work started by beat."""
    SEALING = "sealing"
    """The audit trail's seals, every two seconds, and what takes a moment and may wait behind nothing else. Its worker
    alone may read the signing key."""
    RECOVERY = "recovery"
    """Backups, restores, drills: minutes each, one after the other. Its worker alone has the backup key."""
