"""The checks of the compliance app, which register when they are imported; and those that do not exist yet, with why.

What is missing counts as an error in the score: what nobody looks at is not in order.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from compliance.controls.registry import missing

_INCIDENTS: Final = "ClinChat keeps no incidents yet: there is nothing to look at."
_PART2: Final = "ClinChat does not mark substance use disorder records yet: there is nothing to look at."

MISSING: Final = {
    "incident.clocks_met": _INCIDENTS,
    "incident.postmortems": _INCIDENTS,
    "breach.four_factor": _INCIDENTS,
    "breach.clock_60d": _INCIDENTS,
    "breach.letter_elements": _INCIDENTS,
    "breach.media_trigger": _INCIDENTS,
    "breach.hhs_500": _INCIDENTS,
    "breach.hhs_annual": _INCIDENTS,
    "breach.ba_clock": _INCIDENTS,
    "breach.le_delay": _INCIDENTS,
    "breach.dossier": _INCIDENTS,
    "part2.tagged": _PART2,
    "part2.export_notice": _PART2,
}

MODULES: Final = (
    "compliance.access.controls_addresses",
    "compliance.access.controls_edge",
    "compliance.access.controls_people",
    "compliance.access.controls_roles",
    "compliance.access.controls_sessions",
    "compliance.access.controls_signin",
    "compliance.audit.controls",
    "compliance.audit.controls_events",
    "compliance.audit.controls_privacy",
    "compliance.continuity.controls",
    "compliance.continuity.controls_erasing",
    "compliance.continuity.controls_maintenance",
    "compliance.controls.checks.clocks",
    "compliance.controls.checks.host",
    "compliance.controls.checks.itself",
    "compliance.controls.checks.keeping",
    "compliance.controls.checks.keys",
    "compliance.controls.checks.outside",
    "compliance.controls.checks.raw",
    "compliance.controls.checks.transport",
    "compliance.registers.controls",
    "compliance.scanning.controls",
)
"""Where the checks of this app are: next to what they look at."""

for _module in MODULES:
    import_module(_module)
for _key, _why in MISSING.items():
    missing(_key, _why)
