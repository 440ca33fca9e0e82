"""Numbers about the controls on /metrics."""

from __future__ import annotations

from typing import Final

from compliance import metrics
from compliance.controls import standing
from compliance.models import ControlResult

SCORE: Final = "clinchat_hipaa_compliance_score"
GATES: Final = "clinchat_hipaa_gates_not_kept"
CONTROLS: Final = "clinchat_hipaa_controls"
LAST: Final = "clinchat_hipaa_last_check"


def register() -> None:
    metrics.register(SCORE, metrics.Gauge("Compliance score, 0 to 100", lambda: standing.now().value))
    metrics.register(GATES, metrics.Gauge("Gates of the control catalogue that are not kept", _gates))
    metrics.register(CONTROLS, metrics.Gauge("Controls by their state", _controls, "state"))
    metrics.register(LAST, metrics.Gauge("When a check was made last, in seconds since 1970", _last))


def _gates() -> float:
    """As of now, like the score: also those whose checks nobody makes any more."""
    return float(len(standing.now().failing_gates))


def _controls() -> dict[str, float]:
    return {state: float(number) for state, number in standing.now().by_state.items()}


def _last() -> float | None:
    newest = ControlResult.objects.order_by("-started_at").values_list("started_at", flat=True).first()
    return newest.timestamp() if newest else None
