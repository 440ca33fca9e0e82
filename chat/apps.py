"""Django app configuration."""

from __future__ import annotations

from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"

    def ready(self) -> None:
        from chat import leaving, masked_texts, rules, watched

        watched.register()
        rules.register()
        leaving.register()
        masked_texts.register()
