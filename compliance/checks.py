"""What `manage.py check --deploy` says of the audit trail's keys and checkpoints (Django's system checks)."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from compliance.audit import signing


@register(Tags.security, deploy=True)
def audit_trail(**_: Any) -> list[CheckMessage]:
    return [*_sinks(), *_keys()]


def _sinks() -> Iterator[CheckMessage]:
    """The log stream is one sink in any case. Without a file nothing outside the database can be compared with it."""
    if not settings.AUDIT_CHECKPOINT_FILES:
        yield Error(
            "The audit trail has no file for its checkpoints: who sets the database back leaves no trace.",
            hint="Name a file on another volume or machine in AUDIT_CHECKPOINT_FILES.",
            id="compliance.E001",
        )


def _keys() -> Iterator[CheckMessage]:
    """Each process has the keys it needs, so only a file that is named is looked at."""
    for name, too_open, close in (
        ("AUDIT_SIGNING_KEY_FILE", signing.TOO_OPEN, "chmod 600"),
        ("AUDIT_PUBLIC_KEYS_FILE", stat.S_IWGRP | stat.S_IWOTH, "chmod go-w"),
    ):
        path = getattr(settings, name)
        if not path:
            continue
        try:
            with Path(path).open("rb"):
                mode = Path(path).stat().st_mode
        except OSError:
            yield Error(f"{name}: {path} is missing or cannot be read.", id="compliance.E002")
            continue
        if mode & too_open:
            yield Error(f"{name}: {path} is open to other accounts.", hint=f"{close} {path}", id="compliance.E003")
