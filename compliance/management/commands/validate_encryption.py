"""manage.py validate_encryption"""

from __future__ import annotations

from compliance.controls.validating import Validate


class Command(Validate):
    help = (
        "Look at the running system and say whether patient data is unreadable without the keys: at rest in the "
        "database, files, queue and logs (45 CFR 164.312(a)(2)(iv)) and on its way between the parts of ClinChat "
        "(164.312(e)). Makes the checks of the controls TEC-04 and TEC-09 of the catalogue and keeps their results. "
        "Exit code 0: every check passed; 1: one failed, or could not be made."
    )
    controls = ("TEC-04", "TEC-09")
