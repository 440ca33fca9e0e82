"""manage.py check_external_services"""

from __future__ import annotations

from compliance import external_services
from compliance.measured import Measured, MeasuringCommand


class Command(MeasuringCommand):
    help = (
        "Use each service of others once, as ClinChat does: queue, mail, directory, sign-in service, key service, "
        "stores of backups (something is written below probe/ and removed), log server, embedding model, malware "
        "scanner, learning record store. All at once, each with a deadline of its own, so it ends within twenty "
        "seconds. Exit code 0: every service that is configured works; 1: one does not."
    )

    def measure(self) -> list[Measured]:
        return external_services.check()
