"""manage.py validate_rbac"""

from __future__ import annotations

from compliance.controls.validating import Validate


class Command(Validate):
    help = (
        "Look at the running system and say whether people can do what their roles allow and nothing else: every "
        "address against the approved matrix, authorizations on record, accounts that were closed, roles confirmed "
        "again, two people for what is risky (45 CFR 164.308(a)(3) and (4), 164.312(a) and (d)). Makes the checks of "
        "the controls ADM-06, ADM-08, ADM-10, ADM-11, TEC-01, TEC-08 and APP-03 of the catalogue and keeps their "
        "results. Exit code 0: every check passed; 1: one failed, or could not be made."
    )
    controls = ("ADM-06", "ADM-08", "ADM-10", "ADM-11", "TEC-01", "TEC-08", "APP-03")
