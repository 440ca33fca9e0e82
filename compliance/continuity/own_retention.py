"""How long the records of compliance itself are kept."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.db.models import Model, Q, QuerySet
from django.urls import reverse_lazy

from compliance.audit import retention as trail
from compliance.continuity import holds
from compliance.continuity.retention import FOR_GOOD_YEARS, Rule, rule
from compliance.models import AuditVerification, KnownPlace, Notice, OneTimeLink, Session, TokenFamily

DOCUMENTED: Final = "45 CFR 164.316(b)(2)(i)"
LOGS: Final = "CLINCHAT_LOG_DAYS"
LOG_DAYS_LEAST: Final = 7
Past = Callable[[datetime], Q]
"""Of a model, what is older than a moment."""


def register() -> None:
    rule(
        Rule(
            key="trail",
            name="Audit trail",
            source="ASTM E2147-18",
            years=trail.YEARS,
            waiting=lambda: sum(month.due for month in trail.months()),
            where=str(reverse_lazy("audit-retention")),
        ),
        _for_good("policies", "Policies and who read them", "policyversion", "policyacknowledgement"),
        _for_good(
            "controls",
            "Results of checks, attestations, monthly reports",
            *("controlresult", "catalogueversion", "attestation", "controlexception", "official", "monthlyreport"),
        ),
        _for_good(
            "registers",
            "Registers: assets, risks, vendors, reviews, disclosures, scans",
            *("asset", "risk", "riskapproval", "vendor", "agreement", "exercise", "auditreview", "disclosure"),
            *("amendment", "scanrun", "finding"),
        ),
        _for_good(
            "continuity",
            "Backups, restores, drills, holds, purges, erasures",
            *("backup", "restore", "drill", "maintenance", "legalhold", "purge", "erasure", "integrityrun"),
        ),
        _log("notices", "Notices", Notice, "they were sent", lambda day: Q(created_at__lt=day) & ~Q(mail="waiting")),
        _log("sessions", "Sessions of browsers", Session, "their end", lambda day: Q(expire_date__lt=day)),
        _log("sign-ins", "Sign-ins through the API", TokenFamily, "their end", lambda day: Q(ends_at__lt=day)),
        _log("links", "Links for a new password", OneTimeLink, "their end", lambda day: Q(expires_at__lt=day)),
        _log("places", "Networks people sign in from", KnownPlace, "the last time", lambda day: Q(last_seen__lt=day)),
        _log("verifications", "Verifications of the trail", AuditVerification, "they ran", _ran, person=""),
    )


def _ran(day: datetime) -> Q:
    return Q(ran_at__lt=day)


def _for_good(key: str, name: str, *tables: str) -> Rule:
    return Rule(
        key=key,
        name=name,
        source=DOCUMENTED,
        years=FOR_GOOD_YEARS,
        tables=tuple(f"compliance_{table}" for table in tables),
    )


def _log(key: str, name: str, model: type[Model], since: str, past: Past, *, person: str = "user") -> Rule:
    """Rows that say what ran or was told when. `person`: the field that says whose they are, which a hold may be on."""

    def due(before: datetime) -> QuerySet[Any, Any]:
        return model._base_manager.filter(past(before))  # noqa: SLF001  # documented by Django

    def held(keys: Collection[Any]) -> set[Any]:
        if not person:
            return set()
        theirs = model._base_manager.filter(**{"pk__in": keys, f"{person}__in": holds.people()})  # noqa: SLF001  # as above
        return set(theirs.values_list("pk", flat=True))

    def remove(keys: Collection[Any]) -> None:
        model._base_manager.filter(pk__in=keys).delete()  # noqa: SLF001  # as above

    return Rule(
        key=key,
        name=name,
        source="House rule",
        days=lambda: settings.LOG_DAYS,
        setting=LOGS,
        since=since,
        least=LOG_DAYS_LEAST,
        due=due,
        held=held,
        remove=remove,
    )
