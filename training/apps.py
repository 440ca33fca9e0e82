"""Django app configuration."""

from __future__ import annotations

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "training"

    def ready(self) -> None:
        from compliance import policies
        from compliance.access import clearance_needs, people
        from training import controls, demo, for_checks, reports, standing, watched  # noqa: F401  # checks register
        from training.approvals import deciding
        from training.bank import markdown

        watched.register()
        demo.register()
        reports.register()
        clearance_needs(standing.missing)
        people.on_leaving(deciding.leave)
        for_checks.register()
        policies.read_with(markdown.read)
