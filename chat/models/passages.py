"""The passages of the versions and the two indexes over them: vectors by embedding model, and the postings of BM25."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from pgvector.django import HalfVectorField, SparseVectorField

from chat.models.library import Collection, DocumentVersion
from clinchat.lib import clock


class Chunk(models.Model):
    """A passage of at most CHUNK_TOKENS tokens: the unit that is embedded, matched and quoted from.

    `start` and `end` count characters of the version's text; `text` is exactly that slice. `part` numbers the section
    it stands in, so that its neighbors can be found. `lead` is what the text of the source says above it and it cannot
    do without: the header of its table, the line that introduces its list. It is searched, never quoted as the passage.
    """

    version = models.ForeignKey(DocumentVersion, on_delete=models.CASCADE, related_name="chunks")
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, related_name="+")
    live = models.BooleanField(default=False, help_text="Searched: its version is the published one.")
    ordinal = models.PositiveIntegerField()
    part = models.PositiveIntegerField(default=1)
    section = models.CharField(max_length=300, blank=True)
    lead = models.TextField(blank=True)
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    text = models.TextField()
    sha256 = models.CharField(max_length=64, help_text="SHA-256 of the text in UTF-8, hexadecimal.")
    search_sha256 = models.CharField(max_length=64, help_text="SHA-256 of what is embedded: title, section and text.")
    sparse = SparseVectorField(dimensions=30522, null=True, editable=False, help_text="Weights of chat.llm.splade.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "ordinal"], name="chunk_ordinal"),
            models.CheckConstraint(condition=Q(start__lt=models.F("end")), name="chunk_not_empty"),
        ]
        indexes = [
            models.Index(fields=["collection"], condition=Q(live=True), name="chunk_live"),
            models.Index(fields=["search_sha256"], name="chunk_search_sha256"),
        ]

    def __str__(self) -> str:
        return f"{self.version_id} #{self.ordinal}"


class EmbeddingIndexQuerySet(models.QuerySet["EmbeddingIndex"]):
    def filled(self) -> Self:
        """Indexes that new passages are embedded for: the one that is searched and the one being built."""
        return self.filter(state__in=[EmbeddingIndex.State.ACTIVE, EmbeddingIndex.State.BUILDING])


class EmbeddingIndex(models.Model):
    """The vectors of one embedding model. One is searched; a second is built beside it and takes over in one step."""

    class State(models.TextChoices):
        BUILDING = "building", "Being built"
        ACTIVE = "active", "Searched"
        KEPT = "kept", "Kept to go back to"

    id = models.SmallAutoField(primary_key=True)
    model = models.CharField(max_length=100, unique=True, help_text="Name of the encoder, its precision and weights.")
    dimensions = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=20, choices=State, default=State.BUILDING)
    created_at = models.DateTimeField(default=clock.now)
    activated_at = models.DateTimeField(null=True, blank=True)

    objects = EmbeddingIndexQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=Q(state="active"), name="one_active_index"),
            models.UniqueConstraint(fields=["state"], condition=Q(state="building"), name="one_building_index"),
        ]

    def __str__(self) -> str:
        return self.model


class Vector(models.Model):
    """A passage's vector in one index. Its HNSW index is made per embedding model (chat/corpus/vectors.py)."""

    pk = models.CompositePrimaryKey("index_id", "chunk_id")
    index = models.ForeignKey(EmbeddingIndex, on_delete=models.CASCADE, related_name="vectors", db_index=False)
    chunk = models.ForeignKey(Chunk, on_delete=models.CASCADE, related_name="vectors")
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, related_name="+", db_index=False)
    live = models.BooleanField(default=False)
    embedding = HalfVectorField()

    def __str__(self) -> str:
        return f"{self.chunk_id} in {self.index_id}"


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
    """How often a term occurs in a chunk (Robertson & Zaragoza 2009, BM25), with the chunk's length in lexemes.

    Those of versions that are no longer searched stay, not `live`: a question as of an earlier date needs them.
    """

    pk = models.CompositePrimaryKey("term_id", "chunk_id")
    term = models.ForeignKey(Term, on_delete=models.CASCADE, related_name="postings", db_index=False)
    chunk = models.ForeignKey(Chunk, on_delete=models.CASCADE, related_name="postings")
    frequency = models.PositiveSmallIntegerField()
    length = models.PositiveSmallIntegerField()
    live = models.BooleanField(default=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["term", "chunk"],
                include=["frequency", "length"],
                condition=Q(live=True),
                name="posting_live",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.term_id} in {self.chunk_id}"


class Word(models.Model):
    """A word as the searched passages of one collection spell it: what misspelled questions are repaired with."""

    id = models.BigAutoField(primary_key=True)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="words")
    word = models.CharField(max_length=30)
    chunks = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["collection", "word"], include=["chunks"], name="word_spelling"),
        ]

    def __str__(self) -> str:
        return self.word


class IndexProof(models.Model):
    """What the nightly proof found: whether the indexes hold what the published versions say, and find it."""

    at = models.DateTimeField(default=clock.now)
    ok = models.BooleanField()
    model = models.CharField(max_length=100, blank=True, help_text="Embedding model of the searched index.")
    passages = models.PositiveIntegerField(help_text="Passages that are searched.")
    sampled = models.PositiveIntegerField(help_text="Stored vectors that were searched for.")
    recall = models.FloatField(
        null=True, blank=True, help_text="Of the ten truly nearest, the share that the index found."
    )
    found = models.JSONField(default=dict, blank=True, help_text="What is wrong, by name, and how many of it.")
    seconds = models.FloatField()

    class Meta:
        ordering = ["-at"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d} {'ok' if self.ok else 'failed'}"
