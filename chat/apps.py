"""Django app configuration."""

from __future__ import annotations

from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"

    def ready(self) -> None:
        from chat import checks, knowledge_base, leaving, masked_texts, rules, watched  # noqa: F401  # checks register
        from chat.interactions import status

        watched.register()
        rules.register()
        leaving.register()
        masked_texts.register()
        knowledge_base.register()
        status.register()
