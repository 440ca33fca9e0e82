"""manage.py check_db_performance"""

from __future__ import annotations

from compliance import database_performance
from compliance.measured import Measured, MeasuringCommand


class Command(MeasuringCommand):
    help = (
        "How fast the database is: slow statements (by pg_stat_statements where that is installed, else those that run "
        "now), indexes nobody uses and tables that lack one, the share of pages found in memory, connections by "
        "application and state. No statement is shown, only its first word, its table and a fingerprint. Reads only, "
        "for at most twenty seconds. Exit code 0: all is well; 1: a warning, or the database does not answer."
    )

    def measure(self) -> list[Measured]:
        return database_performance.performance()
