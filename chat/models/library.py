"""The knowledge base: collections of documents, every version kept, and what was found in them before approval."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from clinchat.lib import clock
from compliance.access import Role
from compliance.models import User


class Permitted(Protocol):
    """Whose permission a search has: chat.pipeline.types.Reader."""

    @property
    def collections(self) -> tuple[uuid.UUID, ...]: ...
    @property
    def roles(self) -> tuple[str, ...]: ...
    @property
    def department(self) -> str: ...
    @property
    def everything(self) -> bool: ...


def _open_to(roles: Iterable[str], department: str) -> Q:
    """Rows whose `readers` and `departments` let such a person in; an empty list lets everybody in."""
    by_role = Q(readers=[]) | Q(readers__overlap=sorted(roles))
    return by_role & (Q(departments=[]) | Q(departments__contains=[department]))


class CollectionQuerySet(models.QuerySet["Collection"]):
    def visible_to(self, user: User) -> Self:
        """Collections that one of the person's roles and their department may read; an empty list means everybody."""
        return self.filter(_open_to(user.roles, user.department))


class Collection(models.Model):
    """Documents that are searched, permitted, released and measured together."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=200)
    starter = models.BooleanField(
        default=False, help_text="Written by the makers of ClinChat; an institution replaces it."
    )
    readers = ArrayField(models.CharField(max_length=40, choices=Role.choices), default=list, blank=True)
    departments = ArrayField(models.CharField(max_length=120), default=list, blank=True)
    live_chunks = models.PositiveIntegerField(default=0, help_text="Passages in the search index (N of BM25).")
    live_length = models.PositiveBigIntegerField(default=0, help_text="Their summed length in lexemes.")

    objects = CollectionQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


class Kind(models.TextChoices):
    MONOGRAPH = "monograph", "Drug monograph"
    CONDITION = "condition", "Condition summary"
    PROTOCOL = "protocol", "Ward protocol"
    POLICY = "policy", "Policy"
    GUIDELINE = "guideline", "Guideline"
    ARTICLE = "article", "Article"


class Grade(models.TextChoices):
    """Certainty of the evidence (Guyatt et al. 2008, GRADE)."""

    HIGH = "high", "High"
    MODERATE = "moderate", "Moderate"
    LOW = "low", "Low"
    VERY_LOW = "very_low", "Very low"


class DocumentQuerySet(models.QuerySet["Document"]):
    def visible_to(self, user: User) -> Self:
        """Documents the person may read: those of readable collections that do not name narrower readers."""
        return self.filter(_open_to(user.roles, user.department), collection__in=Collection.objects.visible_to(user))

    def readable_by(self, reader: Permitted) -> Self:
        """As `visible_to`, for the permission a search was started with."""
        found = self.filter(collection__in=reader.collections)
        return found if reader.everything else found.filter(_open_to(reader.roles, reader.department))


class Document(models.Model):
    """One source, known by the external id its owner gave it. What it says is in its versions."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, related_name="documents")
    external_id = models.CharField(max_length=200)
    readers = ArrayField(
        models.CharField(max_length=40, choices=Role.choices),
        default=list,
        blank=True,
        help_text="Roles, of those that read the collection. Empty: all of them.",
    )
    departments = ArrayField(
        models.CharField(max_length=120),
        default=list,
        blank=True,
        help_text="Departments, of those that read the collection. Empty: all of them.",
    )
    created_at = models.DateTimeField(default=clock.now)

    objects = DocumentQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["collection", "external_id"], name="document_external_id")]
        indexes = [
            models.Index(
                fields=["collection"], condition=~Q(readers=[]) | ~Q(departments=[]), name="document_restricted"
            )
        ]

    def __str__(self) -> str:
        return self.external_id

    def get_absolute_url(self) -> str:
        return reverse("document", args=[self.pk])


class DocumentVersionQuerySet(models.QuerySet["DocumentVersion"]):
    def visible_to(self, user: User) -> Self:
        return self.filter(document__in=Document.objects.visible_to(user))

    def readable_by(self, reader: Permitted) -> Self:
        return self.filter(document__in=Document.objects.readable_by(reader))

    def released(self) -> Self:
        """Versions that are or were searched; what readers may open."""
        return self.filter(status__in=DocumentVersion.RELEASED)

    def open(self) -> Self:
        """Versions on their way: a document has at most one."""
        return self.filter(status__in=DocumentVersion.OPEN)

    def as_of(self, moment: datetime) -> Self:
        """The versions that were searched at `moment`."""
        in_force = Q(listings__since_at__lte=moment) & (Q(listings__until_at=None) | Q(listings__until_at__gt=moment))
        return self.filter(in_force)


class DocumentVersion(models.Model):
    """The stored text, what is said of it, and its way to the readers. The text never changes: citations hold offsets
    into it.
    """

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        IN_REVIEW = "in_review", "In review"
        APPROVED = "approved", "Approved"
        PUBLISHED = "published", "Current"
        SUPERSEDED = "superseded", "Superseded"
        WITHDRAWN = "withdrawn", "Withdrawn"
        DISCARDED = "discarded", "Discarded"

    OPEN = (Status.DRAFT, Status.IN_REVIEW, Status.APPROVED)
    RELEASED = (Status.PUBLISHED, Status.SUPERSEDED, Status.WITHDRAWN)

    class Format(models.TextChoices):
        MARKDOWN = "markdown"
        TEXT = "text"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=20, choices=Status, default=Status.DRAFT)

    title = models.CharField(max_length=500)
    kind = models.CharField(max_length=20, choices=Kind, default=Kind.ARTICLE)
    specialty = models.CharField(max_length=100, blank=True)
    owner = models.CharField(max_length=200, blank=True, help_text="Who answers for it here.")
    source = models.CharField(max_length=500, blank=True)
    url = models.URLField(max_length=1000, blank=True)
    licence = models.CharField(max_length=300, blank=True)
    evidence_grade = models.CharField(max_length=20, choices=Grade, blank=True)
    effective_from = models.DateField(null=True, blank=True)
    reviewed = models.DateField(null=True, blank=True, help_text="Last review by a clinician of this institution.")
    review_by = models.DateField(null=True, blank=True)

    format = models.CharField(max_length=20, choices=Format, default=Format.TEXT)
    section = models.CharField(max_length=300, blank=True, help_text="Part of a larger work this text is, if any.")
    text = models.TextField()
    pages = ArrayField(
        models.PositiveIntegerField(), default=list, blank=True, help_text="Where each page of the source begins."
    )
    sha256 = models.CharField(max_length=64, help_text="SHA-256 of the text in UTF-8, hexadecimal.")
    file_name = models.CharField(max_length=255, blank=True)
    file_sha256 = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the file it was read from.")

    revision = models.PositiveIntegerField(
        default=0, help_text="Counts changes of a draft: of two people who edit it at once, the second is told."
    )
    created_at = models.DateTimeField(default=clock.now)
    created_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="None: a command."
    )
    submitted_at = models.DateTimeField(null=True, blank=True)
    submitted_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        User,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The clinical reviewer. None on a version that is searched: an operator loaded it unreviewed.",
    )
    decision_note = models.CharField(max_length=500, blank=True)
    published_at = models.DateTimeField(null=True, blank=True, help_text="First time it was searched.")
    ended_at = models.DateTimeField(null=True, blank=True, help_text="Superseded or withdrawn then.")

    objects = DocumentVersionQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["document", "number"], name="version_number"),
            models.UniqueConstraint(fields=["document"], condition=Q(status="published"), name="one_published_version"),
            models.UniqueConstraint(
                fields=["document"], condition=Q(status__in=["draft", "in_review", "approved"]), name="one_open_version"
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None) | (~Q(decided_by=F("created_by")) & ~Q(decided_by=F("submitted_by"))),
                name="version_reviewed_by_another",
            ),
        ]
        indexes = [models.Index(fields=["status"], name="version_status")]

    def __str__(self) -> str:
        return f"{self.title} v{self.number}"

    def get_absolute_url(self) -> str:
        return f"{reverse('document', args=[self.document_id])}?v={self.number}"


class Finding(models.Model):
    """Something in a draft that somebody must look at before it is approved."""

    class Kind(models.TextChoices):
        HIDDEN = "hidden", "Hidden text"
        INSTRUCTION = "instruction", "Text that gives instructions to a program"
        IDENTIFIER = "identifier", "Possible patient identifier"

    version = models.ForeignKey(DocumentVersion, on_delete=models.CASCADE, related_name="findings")
    kind = models.CharField(max_length=20, choices=Kind)
    label = models.CharField(max_length=40, help_text="What it looks like: NAME, white text …")
    start = models.PositiveIntegerField(null=True, blank=True, help_text="Offset in the text; none: it was left out.")
    end = models.PositiveIntegerField(null=True, blank=True)
    page = models.PositiveIntegerField(null=True, blank=True)
    excerpt = models.CharField(max_length=200, blank=True, help_text="Masked beginning of text that was left out.")
    settled_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} in {self.version_id}"


class UploadQuerySet(models.QuerySet["Upload"]):
    def unread(self) -> Self:
        return self.filter(state__in=Upload.UNREAD)


class Upload(models.Model):
    """A file somebody sent, until it has become drafts. Its bytes are kept only until it was read."""

    class State(models.TextChoices):
        RECEIVED = "received", "Waiting to be read"
        READING = "reading", "Being read"
        UNDERSTOOD = "understood", "Read"
        REFUSED = "refused", "Refused"

    UNREAD = (State.RECEIVED, State.READING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, related_name="+")
    document = models.ForeignKey(
        Document, null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="It is a version of."
    )
    file_name = models.CharField(max_length=255)
    size = models.PositiveIntegerField(help_text="Bytes.")
    sha256 = models.CharField(max_length=64)
    ocr = models.BooleanField(default=False, help_text="Read pages that hold only a picture.")
    content = models.BinaryField(null=True)
    state = models.CharField(max_length=20, choices=State, default=State.RECEIVED)
    problems = models.JSONField(default=list, blank=True, help_text="Why it was refused, line by line, in our words.")
    created_at = models.DateTimeField(default=clock.now)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    deadline_at = models.DateTimeField(null=True, blank=True, help_text="Past this whoever read it is taken for lost.")
    read_at = models.DateTimeField(null=True, blank=True)
    drafts = models.ManyToManyField(DocumentVersion, related_name="uploads", blank=True)

    objects = UploadQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state__in=["understood", "refused"]) | Q(content=None), name="upload_bytes_gone"
            )
        ]

    def __str__(self) -> str:
        return str(self.pk)

    def get_absolute_url(self) -> str:
        return reverse("library-upload", args=[self.pk])
