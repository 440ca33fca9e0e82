"""Django app configuration."""

from __future__ import annotations

from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"

    def ready(self) -> None:
        from chat.models import Collection, Document
        from compliance import audit

        audit.watch(Collection, without=("live_chunks", "live_length"))
        audit.watch(Document)
