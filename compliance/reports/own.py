"""The sections that compliance fills in itself, but access, the audit trail, the score and what is open."""

from __future__ import annotations

from django.db.models import Count, Max, Min

from compliance.continuity import reporting
from compliance.controls import catalogue
from compliance.models import ControlResult, MaskReport, MaskTerm, Seal, VaultEntry
from compliance.phi import label_words
from compliance.reports import access, findings, looking, standing, trail
from compliance.reports.sections import Cell, Period, Section, add, at, counted

MASKING = "/compliance/masking/"


def encryption(section: Section, period: Period) -> None:
    """Keys by their ids alone; what the checks of encryption and of the way to everything saw last."""
    keys = Seal.objects.filter(**period.inside("sealed_at")).order_by().values_list("key_id").annotate(n=Count("*"))
    section.table(
        "Keys that sealed the trail",
        ["Key", "Seals"],
        [[key, number] for key, number in keys.order_by("key_id")],
        none="Nothing was sealed.",
    )
    looking.table(section, period, "Stored data and keys", looking.of_area("crypto.", "integrity."))
    looking.table(section, period, "On the way (TLS)", looking.of_area("tls."))


def incidents(section: Section, period: Period) -> None:
    section.note(
        "ClinChat keeps no register of incidents yet, so this part counts none: look for them in the register your "
        "institution keeps. What follows are the gates that a check found not to be kept in this month."
    )
    gates = {check.key: control for control in catalogue.current().controls if control.gate for check in control.checks}
    found = (
        ControlResult.objects.filter(**period.inside("started_at"), check_key__in=list(gates))
        .exclude(state=ControlResult.State.PASS)
        .order_by()
        .values_list("check_key")
        .annotate(n=Count("*"), first=Min("started_at"), last=Max("started_at"))
    )
    rows: list[list[Cell]] = []
    for key, number, first, last in sorted(found):
        newest = looking.newest(key, period.end)
        state = newest.get_state_display() if newest else looking.NEVER
        rows.append([gates[key].id, gates[key].title, key, number, at(first), at(last), state])
    section.fact("Gates that were not kept at some time", len({row[0] for row in rows}), "/compliance/")
    section.table(
        "Gates that were not kept",
        ["Control", "Title", "Check", "Times", "First", "Last", "At the end"],
        rows,
        none="Every gate whose check ran was kept.",
    )


def phi(section: Section, period: Period) -> None:
    """Counts alone: what was masked stays sealed."""
    masked = counted(VaultEntry.objects.filter(spelling=0, **period.inside("created_at")), "label")
    section.fact("Identifiers masked in conversations", sum(masked.values()), MASKING)
    words = {str(label): text for label, text in label_words.items()}
    section.bars(
        "Identifiers masked, by class",
        ["Masked"],
        [(words.get(label, label), [number]) for label, number in sorted(masked.items(), key=lambda one: -one[1])],
        first="Class",
    )
    reported = counted(MaskReport.objects.filter(**period.inside("created_at")), "kind")
    section.fact("Reports of something missed", reported.get(MaskReport.Kind.MISSED, 0), MASKING)
    section.fact("Reports of a wrong mask", reported.get(MaskReport.Kind.WRONG, 0), MASKING)
    settled = counted(MaskReport.objects.filter(**period.inside("settled_at")), "outcome")
    section.fact("Reports settled", sum(settled.values()), MASKING)
    before = MaskReport.objects.filter(created_at__lt=period.end).count()
    section.fact(
        "Reports open at the end", before - MaskReport.objects.filter(settled_at__lt=period.end).count(), MASKING
    )
    outcomes = dict(MaskReport.Outcome.choices)
    section.table(
        "How reports were settled",
        ["Outcome", "Reports"],
        [[str(outcomes.get(outcome, outcome)), number] for outcome, number in sorted(settled.items())],
        none="No report was settled.",
    )
    decided = counted(MaskTerm.objects.filter(**period.inside("decided_at")), "kind")
    section.fact("Local terms decided on", sum(decided.values()), MASKING)
    looking.table(section, period, "Checks", looking.of_area("phi.", "upload.", "llm."))


def register() -> None:
    """Called once, when the process starts."""
    add("score", standing.fill)
    add("findings", findings.fill)
    add("incidents", incidents)
    add("access", access.fill)
    add("audit", trail.fill)
    add("encryption", encryption)
    add("phi", phi)
    reporting.register()
