"""Files of the training app that a backup includes: the institution's own content. The starter set is in the code."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from compliance.continuity.backup.contents import register_file


def register() -> None:
    register_file("training/content", _own_content)


def _own_content() -> Path | None:
    folder = Path(settings.TRAINING_CONTENT)
    return None if folder.is_relative_to(settings.BASE_DIR) else folder
