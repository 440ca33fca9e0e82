"""Django app configuration."""

from __future__ import annotations

from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"

    def ready(self) -> None:
        from chat import (  # noqa: F401  # checks register
            checks,
            continuity,
            controls,
            controls_inert,
            controls_llm,
            controls_uploads,
            drill_assertions,
            external,
            for_checks,
            integrity,
            knowledge_base,
            leaving,
            masked_texts,
            reports,
            retention,
            rules,
            watched,
        )
        from chat.interactions import status

        watched.register()
        rules.register()
        leaving.register()
        continuity.register()
        masked_texts.register()
        reports.register()
        retention.register()
        knowledge_base.register()
        status.register()
        for_checks.register()
        integrity.register()
        external.register()
        drill_assertions.register()
