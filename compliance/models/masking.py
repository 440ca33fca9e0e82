"""What people say about masks, and what the hospital made of it: reports, and local terms with a second person's word.

Whatever words these tables hold may be an identifier, so they are sealed; what is typed beside them is masked first.
"""

from __future__ import annotations

import uuid
from typing import Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from clinchat.lib import clock
from clinchat.lib.sealed_field import SealedField
from compliance.models.people import User
from compliance.models.vault import ScopedField
from compliance.phi import Label, label_words

LONGEST_NOTE = 500
LABELS = [(str(label), words) for label, words in label_words.items()]
_LABELS = [str(label) for label in Label]


class MaskReportQuerySet(models.QuerySet["MaskReport"]):
    def open(self) -> Self:
        """Not settled yet, the oldest on top."""
        return self.filter(status=MaskReport.Status.OPEN).order_by("created_at", "pk")


class MaskReport(models.Model):
    """One person's word that an identifier of their question was missed, or that a mask was wrong.

    Conversation and question are named by their ids alone: compliance does not know the tables of other apps.
    """

    class Kind(models.TextChoices):
        MISSED = "missed", "Missed"
        WRONG = "wrong", "Wrong"

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        SETTLED = "settled", "Settled"

    class Outcome(models.TextChoices):
        TERM = "term", "A local term was proposed"
        SOFTWARE = "software", "To be corrected by an update of ClinChat"
        NOT_IDENTIFIER = "not_identifier", "Not an identifier"
        NOTHING = "nothing", "Nothing to change"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=6, choices=Kind)
    reporter = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    scope = models.UUIDField(help_text="The conversation.")
    turn = models.UUIDField(help_text="The question.")
    token = models.CharField(max_length=40, help_text="What stands for the words in the question now.")
    label = models.CharField(
        max_length=20, blank=True, choices=LABELS, help_text="Of a missed one what its reporter takes it for, if said."
    )
    words = ScopedField()
    erased_at = models.DateTimeField(null=True, blank=True, help_text="When the words were, with the conversation's.")
    note = models.CharField(max_length=LONGEST_NOTE, blank=True, help_text="Masked.")
    created_at = models.DateTimeField(default=clock.now)
    status = models.CharField(max_length=7, choices=Status, default=Status.OPEN)
    outcome = models.CharField(max_length=14, choices=Outcome, blank=True)
    settled_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_note = models.CharField(max_length=LONGEST_NOTE, blank=True, help_text="Masked.")

    objects = MaskReportQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=["missed", "wrong"]), name="mask_report_kind"),
            models.CheckConstraint(condition=Q(label__in=["", *_LABELS]), name="mask_report_label"),
            models.CheckConstraint(condition=~Q(kind="wrong", label=""), name="mask_report_wrong_has_label"),
            models.CheckConstraint(
                condition=Q(status="open", outcome="", settled_by=None, settled_at=None)
                | Q(
                    status="settled",
                    outcome__in=["term", "software", "not_identifier", "nothing"],
                    settled_by__isnull=False,
                    settled_at__isnull=False,
                ),
                name="mask_report_settled_whole",
            ),
            models.CheckConstraint(
                condition=Q(erased_at=None) | Q(status="settled"), name="mask_report_erased_when_settled"
            ),
            models.UniqueConstraint(
                fields=["turn", "kind", "token"], condition=Q(status="open"), name="mask_report_once"
            ),
        ]
        indexes = [
            models.Index(fields=["created_at"], condition=Q(status="open"), name="mask_report_open"),
            models.Index(fields=["scope"], condition=Q(kind="missed"), name="mask_report_missed"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """What the reporter and the privacy team call it."""
        return f"MR-{self.pk.hex[:8].upper()}"


class MaskTermQuerySet(models.QuerySet["MaskTerm"]):
    def proposed(self) -> Self:
        return self.filter(status=MaskTerm.Status.PROPOSED).order_by("proposed_at", "pk")

    def approved(self) -> Self:
        """Those that masking follows now."""
        return self.filter(status=MaskTerm.Status.APPROVED).order_by("decided_at", "pk")

    def over(self) -> Self:
        """Refused, withdrawn or ended, the newest on top."""
        return self.filter(status__in=MaskTerm.OVER).order_by(Coalesce("ended_at", "decided_at").desc(), "pk")


class MaskTerm(models.Model):
    """Words of this hospital that are always masked, or kept readable. One person proposes, another decides."""

    class Kind(models.TextChoices):
        MASK = "mask", "Always mask"
        KEEP = "keep", "Keep readable"

    class Status(models.TextChoices):
        PROPOSED = "proposed", "Waits for a second person"
        APPROVED = "approved", "In use"
        REFUSED = "refused", "Refused"
        WITHDRAWN = "withdrawn", "Withdrawn"
        ENDED = "ended", "Ended"

    OVER = (Status.REFUSED, Status.WITHDRAWN, Status.ENDED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=4, choices=Kind)
    label = models.CharField(max_length=20, blank=True, choices=LABELS, help_text="What it is masked as.")
    words = SealedField(help_text="Erased when the term is over.")
    blind_index = models.BinaryField(max_length=32, help_text="Keyed digest of the words: equality without opening.")
    reason = models.CharField(max_length=LONGEST_NOTE, help_text="Masked.")
    report = models.ForeignKey(MaskReport, null=True, blank=True, on_delete=models.PROTECT, related_name="terms")
    status = models.CharField(max_length=9, choices=Status, default=Status.PROPOSED)
    proposed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField(default=clock.now)
    decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    end_proposed_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    ended_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = MaskTermQuerySet.as_manager()

    class Meta:
        ordering = ["-proposed_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="mask", label__in=_LABELS) | Q(kind="keep", label=""), name="mask_term_kind"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="mask_term_has_reason"),
            models.CheckConstraint(
                condition=Q(status="proposed", decided_by=None, decided_at=None)
                | Q(
                    status__in=["approved", "refused", "withdrawn", "ended"],
                    decided_by__isnull=False,
                    decided_at__isnull=False,
                ),
                name="mask_term_decided_whole",
            ),
            models.CheckConstraint(
                condition=Q(status="ended", ended_by__isnull=False, ended_at__isnull=False)
                | (~Q(status="ended") & Q(ended_by=None, ended_at=None)),
                name="mask_term_ended_whole",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["approved", "refused", "ended"]) | ~Q(decided_by=F("proposed_by")),
                name="mask_term_second_person",
            ),
            models.CheckConstraint(
                condition=~Q(status="withdrawn") | Q(decided_by=F("proposed_by")), name="mask_term_withdrawn_by_own"
            ),
            models.CheckConstraint(
                condition=~Q(status="ended", kind="mask")
                | (Q(end_proposed_by__isnull=False) & ~Q(end_proposed_by=F("ended_by"))),
                name="mask_term_end_second_person",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["approved", "ended"]) | Q(end_proposed_by=None), name="mask_term_end_of_used"
            ),
            models.UniqueConstraint(
                fields=["blind_index"], condition=Q(status__in=["proposed", "approved"]), name="mask_term_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {str(self.pk)[:8]}"

    @property
    def is_over(self) -> bool:
        return self.status in self.OVER
