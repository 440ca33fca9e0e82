"""Django app configuration."""

from __future__ import annotations

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "training"

    def ready(self) -> None:
        from compliance.access import clearance_needs, people
        from training import demo, standing, watched
        from training.approvals import deciding

        watched.register()
        demo.register()
        clearance_needs(standing.missing)
        people.on_leaving(deciding.leave)
