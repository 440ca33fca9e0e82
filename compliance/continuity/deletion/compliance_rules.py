"""The retention rules for the compliance app's own tables."""

from __future__ import annotations

from django.db.models import Q
from django.urls import reverse_lazy

from compliance.audit import retention as trail
from compliance.continuity.deletion.retention import Rule, for_good, log_rule, rule
from compliance.models import AuditVerification, KnownPlace, Notice, OneTimeLink, Session, TokenFamily


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
        for_good("compliance", "policies", "Policies and who read them", "policyversion", "policyacknowledgement"),
        for_good(
            "compliance",
            "controls",
            "Results of checks, attestations, monthly reports",
            *("controlresult", "catalogueversion", "attestation", "controlexception", "official", "monthlyreport"),
        ),
        for_good(
            "compliance",
            "registers",
            "Registers: assets, risks, vendors, reviews, disclosures, scans",
            *("asset", "risk", "riskapproval", "vendor", "agreement", "exercise", "auditreview", "disclosure"),
            *("amendment", "scanrun", "finding"),
        ),
        for_good(
            "compliance",
            "continuity",
            "Backups, restores, drills, holds, purges, erasures",
            *("backup", "restore", "drill", "maintenance", "legalhold", "purge", "erasure", "integrityrun"),
        ),
        log_rule(
            "notices", "Notices", Notice, "they were sent", lambda day: Q(created_at__lt=day) & ~Q(mail="waiting")
        ),
        log_rule("sessions", "Sessions of browsers", Session, "their end", lambda day: Q(expire_date__lt=day)),
        log_rule("sign-ins", "Sign-ins through the API", TokenFamily, "their end", lambda day: Q(ends_at__lt=day)),
        log_rule("links", "Links for a new password", OneTimeLink, "their end", lambda day: Q(expires_at__lt=day)),
        log_rule(
            "places", "Networks people sign in from", KnownPlace, "the last time", lambda day: Q(last_seen__lt=day)
        ),
        log_rule(
            "verifications",
            "Verifications of the trail",
            AuditVerification,
            "they ran",
            lambda day: Q(ran_at__lt=day),
            person="",
        ),
    )
