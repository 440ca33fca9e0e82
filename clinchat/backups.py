"""Where backups go, as the environment says."""

from __future__ import annotations

import re
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from clinchat import env

_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[A-Za-z0-9._/-]*)?")


def stores(default: Path | None) -> list[str]:
    """Folders and buckets; the first is the one that is read. Raises ImproperlyConfigured."""
    found = env.words("CLINCHAT_BACKUPS", str(default or ""))
    for store in found:
        if not store.startswith("/") and not _BUCKET.fullmatch(store):
            raise ImproperlyConfigured("CLINCHAT_BACKUPS must be folders (/backups) or buckets (s3://bucket/prefix).")
    return found


def service() -> str:
    """The address of an S3 service of the hospital's own; empty: Amazon's. Raises ImproperlyConfigured."""
    return env.encrypted("CLINCHAT_S3_URL", "https") if env.text("CLINCHAT_S3_URL") else ""
