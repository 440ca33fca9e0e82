"""What `manage.py check --deploy` says of the knowledge base (Django's system checks)."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from chat import starting


@register(deploy=True)
def embedding_model(**_: Any) -> list[CheckMessage]:
    """Not for every command: some of them are what repairs it."""
    try:
        starting.require_model()
    except ImproperlyConfigured as wrong:
        return [Error(wrong.args[0], id="chat.E001")]
    return []
