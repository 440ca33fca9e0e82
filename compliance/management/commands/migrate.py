"""manage.py migrate: Django's own. It changes tables while ClinChat is read-only too: that is what the mode is for."""

from __future__ import annotations

from typing import Any

from django.core.management.commands import migrate

from compliance.continuity import maintenance


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        with maintenance.set_aside():
            super().handle(*args, **options)
