"""manage.py check_db_connection"""

from __future__ import annotations

from compliance import database_health
from compliance.measured import Measured, MeasuringCommand


class Command(MeasuringCommand):
    help = (
        "Open each database connection that ClinChat needs: the portal's, the audit trail's, and that of backups where "
        "it has one of its own. Says how long it took, as whom, and whether it is encrypted. Six seconds at most. "
        "Exit code 0: all work; 1: one does not, is not encrypted, or takes no writes."
    )

    def measure(self) -> list[Measured]:
        return database_health.connections_of_this_process()
