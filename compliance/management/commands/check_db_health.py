"""manage.py check_db_health"""

from __future__ import annotations

from compliance import database_health
from compliance.measured import Measured, MeasuringCommand


class Command(MeasuringCommand):
    help = (
        "How the database is: version, connections against the most there may be, locks somebody waits for, long "
        "transactions, replication and its slots, dead and unused room, age of transaction ids, the vector extension "
        "and its indexes, checksums of pages, size. Reads only, for at most twenty seconds. Exit code 0: all is well; "
        "1: a warning, something failed, or the database does not answer."
    )

    def measure(self) -> list[Measured]:
        return database_health.health()
