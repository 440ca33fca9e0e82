"""The knowledge base: collections of documents, every version kept, and the search index over the published ones."""

from __future__ import annotations

import uuid
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.urls import reverse
from pgvector.django import HalfVectorField, HnswIndex

from clinchat.lib import clock
from compliance.access import Role
from compliance.models import User

DIMENSIONS = 384
"""Length of an embedding; a change needs a new column and a new index."""


class CollectionQuerySet(models.QuerySet["Collection"]):
    def visible_to(self, user: User) -> Self:
        """Collections whose readers include one of the person's roles; no readers named means every role."""
        return self.filter(Q(readers=[]) | Q(readers__overlap=sorted(user.roles)))


class Collection(models.Model):
    """Documents that are searched, permitted and measured together."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=200)
    starter = models.BooleanField(
        default=False, help_text="Written by the makers of ClinChat; an institution replaces it."
    )
    readers = ArrayField(models.CharField(max_length=40, choices=Role.choices), default=list, blank=True)
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
    ARTICLE = "article", "Article"


class DocumentQuerySet(models.QuerySet["Document"]):
    def visible_to(self, user: User) -> Self:
        return self.filter(collection__in=Collection.objects.visible_to(user))


class Document(models.Model):
    """One source, known by the external id its owner gave it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, related_name="documents")
    external_id = models.CharField(max_length=200)
    title = models.CharField(max_length=500)
    kind = models.CharField(max_length=20, choices=Kind, default=Kind.ARTICLE)
    specialty = models.CharField(max_length=100, blank=True)
    source = models.CharField(max_length=500, blank=True)
    url = models.URLField(max_length=1000, blank=True)
    licence = models.CharField(max_length=300, blank=True)
    owner = models.CharField(max_length=200, blank=True)

    objects = DocumentQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["collection", "external_id"], name="document_external_id")]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("document", args=[self.pk])


class DocumentVersion(models.Model):
    """The stored source text. It never changes: citations hold offsets into it."""

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        PUBLISHED = "published", "Current"
        SUPERSEDED = "superseded", "Superseded"

    class Format(models.TextChoices):
        MARKDOWN = "markdown"
        TEXT = "text"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=20, choices=Status, default=Status.DRAFT)
    format = models.CharField(max_length=20, choices=Format, default=Format.TEXT)
    section = models.CharField(max_length=300, blank=True, help_text="Part of a larger work this text is, if any.")
    text = models.TextField()
    sha256 = models.CharField(max_length=64, help_text="SHA-256 of the text in UTF-8, hexadecimal.")
    created_at = models.DateTimeField(default=clock.now)
    published_at = models.DateTimeField(null=True, blank=True)
    superseded_at = models.DateTimeField(null=True, blank=True)
    reviewed = models.DateField(null=True, blank=True, help_text="Last review by a clinician of this institution.")
    review_by = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["document", "number"], name="version_number"),
            models.UniqueConstraint(fields=["document"], condition=Q(status="published"), name="one_published_version"),
        ]

    def __str__(self) -> str:
        return f"{self.document} v{self.number}"


class Chunk(models.Model):
    """A passage of at most CHUNK_TOKENS tokens: the unit that is embedded, matched and quoted from.

    `start` and `end` count characters of the version's text; `text` is exactly that slice.
    """

    version = models.ForeignKey(DocumentVersion, on_delete=models.CASCADE, related_name="chunks")
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, related_name="+")
    live = models.BooleanField(default=False, help_text="Searched: its version is the published one.")
    ordinal = models.PositiveIntegerField()
    section = models.CharField(max_length=300, blank=True)
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    text = models.TextField()
    sha256 = models.CharField(max_length=64, help_text="SHA-256 of the text in UTF-8, hexadecimal.")
    search_sha256 = models.CharField(max_length=64, help_text="SHA-256 of what is embedded: title, section and text.")
    embedding = HalfVectorField(dimensions=DIMENSIONS, null=True)
    embedded_by = models.CharField(max_length=100, blank=True, help_text="Name of the embedding model.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "ordinal"], name="chunk_ordinal"),
            models.CheckConstraint(condition=Q(start__lt=models.F("end")), name="chunk_not_empty"),
        ]
        indexes = [
            models.Index(fields=["collection"], condition=Q(live=True), name="chunk_live"),
            models.Index(fields=["id"], condition=Q(embedding=None), name="chunk_waiting"),
            models.Index(fields=["search_sha256"], name="chunk_search_sha256"),
            HnswIndex(
                name="chunk_embedding",
                fields=["embedding"],
                m=16,
                ef_construction=128,
                opclasses=["halfvec_cosine_ops"],
                condition=Q(live=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} #{self.ordinal}"


class Term(models.Model):
    """A lexeme of one collection with the number of live chunks that hold it (document frequency)."""

    id = models.BigAutoField(primary_key=True)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="terms")
    lexeme = models.CharField(max_length=255)
    chunks = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["collection", "lexeme"], include=["chunks"], name="term_lexeme"),
        ]

    def __str__(self) -> str:
        return self.lexeme


class Posting(models.Model):
    """How often a term occurs in a live chunk (Robertson & Zaragoza 2009, BM25), with the chunk's length in lexemes."""

    pk = models.CompositePrimaryKey("term_id", "chunk_id")
    term = models.ForeignKey(Term, on_delete=models.CASCADE, related_name="postings", db_index=False)
    chunk = models.ForeignKey(Chunk, on_delete=models.CASCADE, related_name="postings")
    frequency = models.PositiveSmallIntegerField()
    length = models.PositiveSmallIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["term", "chunk"], include=["frequency", "length"], name="posting_cover"),
        ]

    def __str__(self) -> str:
        return f"{self.term_id} in {self.chunk_id}"
