"""Django app configuration."""

from __future__ import annotations

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "training"

    def ready(self) -> None:
        from compliance import policies
        from compliance.access import clearance_needs, people
        from training import (  # noqa: F401  # checks register
            continuity,
            controls,
            demo,
            external,
            for_checks,
            reports,
            retention,
            standing,
            watched,
        )
        from training.approvals import deciding
        from training.bank import markdown

        watched.register()
        continuity.register()
        demo.register()
        reports.register()
        retention.register()
        clearance_needs(standing.missing)
        people.on_leaving(deciding.leave)
        for_checks.register()
        external.register()
        policies.read_with(markdown.read)
