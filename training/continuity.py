"""What of this app is in a backup beside the database: content of the institution's own. The starter set is code."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from compliance.continuity.backup.contents import register_file


def register() -> None:
    register_file("training/content", _own_content)


def _own_content() -> Path | None:
    where = Path(settings.TRAINING_CONTENT)
    return None if where.is_relative_to(settings.BASE_DIR) else where
