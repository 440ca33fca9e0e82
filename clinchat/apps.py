"""The wiring as a Django app, so that every process (web, command, worker) knows the task queue."""

from __future__ import annotations

from django.apps import AppConfig


class WiringConfig(AppConfig):
    name = "clinchat"

    def ready(self) -> None:
        # Without it `task.delay` in a web process would speak to Celery's default broker.
        import clinchat.celery  # noqa: F401
        from clinchat.lib import outbound

        outbound.guard()
