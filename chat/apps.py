"""Django app configuration."""

from __future__ import annotations

from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"

    def ready(self) -> None:
        from chat import (  # noqa: F401  # checks register
            checks,
            controls,
            controls_inert,
            controls_llm,
            controls_uploads,
            for_checks,
            knowledge_base,
            leaving,
            masked_texts,
            reports,
            rules,
            watched,
        )
        from chat.interactions import status

        watched.register()
        rules.register()
        leaving.register()
        masked_texts.register()
        reports.register()
        knowledge_base.register()
        status.register()
        for_checks.register()
