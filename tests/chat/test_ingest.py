"""Documents in: checked first, versioned, searched only when complete."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from chat import releases
from chat.corpus import loaders, vectors
from chat.corpus.ingest import ingest
from chat.corpus.loaders import Source
from chat.llm import encoders
from chat.models import Chunk, Collection, Document, DocumentVersion, Posting, Release, Term
from compliance.models import AuditEvent

Status = DocumentVersion.Status


def row(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"doc-{number}",
        "title": f"Title {number}",
        "section": "Dosing",
        "text": f"Drug number {number} is given once daily. Check the kidneys first.",
        "source": "A label",
        "url": "https://example.org/label",
        "licence": "CC0",
    } | fields


def write(path: Path, rows: list[Any]) -> Path:
    file = path / "rows.jsonl"
    file.write_text("".join(r if isinstance(r, str) else json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return file


def source(text: str, number: int = 1, **fields: Any) -> Source:
    return Source(external_id=f"doc-{number}", title=f"Title {number}", text=text, **fields)


def load(collection: Collection, *sources: Source) -> None:
    ingest(sources=sources, collection=collection)
    releases.embed_waiting()


@pytest.fixture
def collection(db: None) -> Collection:
    return Collection.objects.create(slug="test", name="Test")


def test_rows_become_searchable_documents(db: None, tmp_path: Path) -> None:
    call_command("ingest", write(tmp_path, [row(1), row(2)]), collection="test")
    document = Document.objects.get(external_id="doc-2")
    version = document.versions.get()
    assert (version.title, version.source, version.section, version.number) == ("Title 2", "A label", "Dosing", 1)
    assert version.status == Status.PUBLISHED
    chunk = version.chunks.get()
    assert version.text[chunk.start : chunk.end] == chunk.text
    vector = chunk.vectors.get()
    assert (chunk.live, vector.live, vector.index) == (True, True, vectors.active())
    assert AuditEvent.objects.filter(object_type="chat.DocumentVersion", action="C").count() == 2
    published = AuditEvent.objects.filter(object_type="chat.DocumentVersion", changes__status=["approved", "published"])
    assert published.count() == 2


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ({k: v for k, v in row(2).items() if k != "text"}, "line 2: the field “text” is missing"),
        (row(2, text="  \n "), "line 2: the document has no text"),
        (row(2, title=7), "line 2: the field “title” must be text"),
        (row(2, id=""), "line 2: the field “id” is empty"),
        (row(2, title="x" * 501), "line 2: the field “title” is longer than 500 characters"),
        (row(2, text="a\x00b"), "line 2: the field “text” holds a NUL character"),
        (row(1), "line 2: id “doc-1” was already used in rows.jsonl, line 1"),
        ("{not json\n", "line 2: not valid JSON at character 2"),
        ("[1, 2]\n", "line 2: expected an object with named fields"),
    ],
)
def test_one_malformed_row_and_nothing_is_stored(db: None, tmp_path: Path, bad: Any, what: str) -> None:
    file = write(tmp_path, [row(1), bad, row(3)])
    with pytest.raises(CommandError) as error:
        call_command("ingest", file, collection="test")
    assert f"{file}, {what}" in error.value.args[0]
    assert not Document.objects.exists()
    assert not Collection.objects.exists()


def test_every_problem_is_named(db: None, tmp_path: Path) -> None:
    with pytest.raises(CommandError) as error:
        call_command("ingest", write(tmp_path, [row(1, text=""), row(2), row(3, id=None)]), collection="test")
    assert "line 1" in error.value.args[0]
    assert "line 3" in error.value.args[0]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("# No front matter\n", "line 1: front matter"),
        ("---\nid: a\ntitle: [\n---\ntext\n", "line 4: the front matter is not valid YAML"),
        ("---\nid: a\ntitle: A\nsource: S\nurl: ''\nlicence: L\n---\n\n  \n", "the document has no text"),
        ("---\nid: a\ntitle: A\nsource: S\nlicence: L\n---\ntext\n", "the field “url” is missing"),
        ("---\nid: a\ntitle: A\nkind: poem\nsource: S\nurl: ''\nlicence: L\n---\ntext\n", "kind must be one of"),
        ("---\nid: a\ntitle: A\nsource: S\nurl: ''\nlicence: L\nreview_by: soon\n---\nt\n", "review_by must be a date"),
        ("---\n- a\n---\ntext\n", "expected an object with named fields"),
    ],
)
def test_malformed_markdown_is_named(tmp_path: Path, content: str, what: str) -> None:
    file = tmp_path / "a.md"
    file.write_text(content)
    (problem,) = loaders.read(file).problems
    assert what in str(problem)
    assert str(file) in str(problem)


@pytest.mark.parametrize(("name", "content"), [("a.pdf", b"x"), ("a.jsonl", b"\xff\xfe"), ("b.md", b"\x80")])
def test_unreadable_files_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    reading = loaders.read(tmp_path / name)
    assert len(reading.problems) == 1
    assert not reading.sources


def test_the_same_text_again_changes_nothing(collection: Collection) -> None:
    load(collection, source("Given once daily."))
    report = ingest(sources=[source("Given once daily.")], collection=collection)
    assert (report.new, report.updated, report.unchanged, report.chunks) == (0, 0, 1, 0)
    assert DocumentVersion.objects.count() == 1


def test_until_the_new_version_is_embedded_the_old_one_is_searched(collection: Collection) -> None:
    load(collection, source("The dose is two tablets."))
    old = DocumentVersion.objects.get()
    ingest(sources=[source("The dose is three tablets.")], collection=collection)
    old.refresh_from_db()
    assert old.status == Status.PUBLISHED
    assert list(Chunk.objects.filter(live=True).values_list("version", flat=True)) == [old.pk]
    releases.embed_waiting()
    old.refresh_from_db()
    assert old.status == Status.SUPERSEDED
    assert old.text == "The dose is two tablets."
    assert Chunk.objects.get(live=True).text == "The dose is three tablets."


def test_words_of_a_superseded_version_are_no_longer_found(collection: Collection) -> None:
    load(collection, source("Aspirin helps."), source("Aspirin and ibuprofen.", 2))
    load(collection, source("Paracetamol helps."))
    counts = dict(Term.objects.filter(collection=collection).values_list("lexeme", "chunks"))
    assert (counts["aspirin"], counts["paracetamol"], counts["ibuprofen"]) == (1, 1, 1)
    assert not Posting.objects.filter(chunk__live=False, live=True).exists()
    collection.refresh_from_db()
    assert collection.live_chunks == Chunk.objects.filter(live=True).count() == 2


def test_rebuilding_the_index_gives_the_same_index(collection: Collection) -> None:
    load(collection, source("Aspirin helps the heart."), source("Ibuprofen hurts the kidney.", 2))
    load(collection, source("Aspirin helps the brain."))

    def state() -> Any:
        collection.refresh_from_db()
        rows = Posting.objects.order_by("term__lexeme", "chunk").values_list(
            "term__lexeme", "term__chunks", "chunk", "frequency", "length", "live"
        )
        return list(rows), collection.live_chunks, collection.live_length

    kept = state()
    Posting.objects.all().delete()
    call_command("reindex", collection="test")
    assert [r for r in state()[0] if r[1]] == [r for r in kept[0] if r[1]]
    assert state()[1:] == kept[1:]


def test_interrupted_embedding_goes_on_where_it_stopped_and_nothing_is_half_published(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "BATCH", 2)
    ingest(sources=[source(f"Text number {n}.", n) for n in range(6)], collection=collection)
    encoder = type(encoders.configured())
    real, calls = encoder.embed_passages, []

    def dies_on_the_second(self: Any, texts: Any) -> Any:
        calls.append(len(texts))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(self, texts)

    monkeypatch.setattr(encoder, "embed_passages", dies_on_the_second)
    with pytest.raises(KeyboardInterrupt):
        releases.embed_waiting()
    assert vectors.waiting(vectors.active()).count() == 4
    assert not DocumentVersion.objects.filter(status=Status.PUBLISHED).exists()
    assert releases.embed_waiting() == 4
    assert DocumentVersion.objects.filter(status=Status.PUBLISHED).count() == 6
    assert Release.objects.get().number == 1


def test_equal_passages_are_embedded_once(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    load(collection, source("Given once daily.", owner="Pharmacy"))
    encoder = type(encoders.configured())
    monkeypatch.setattr(encoder, "embed_passages", lambda _self, _texts: pytest.fail("embedded again"))
    load(collection, source("Given once daily.", owner="Ward 3"))
    assert DocumentVersion.objects.filter(status=Status.PUBLISHED).get().number == 2


def test_of_two_texts_that_wait_the_newer_is_published(collection: Collection) -> None:
    ingest(sources=[source("First.")], collection=collection)
    ingest(sources=[source("Second.")], collection=collection)
    releases.embed_waiting()
    assert list(DocumentVersion.objects.order_by("number").values_list("status", flat=True)) == [
        Status.DISCARDED,
        Status.PUBLISHED,
    ]
    assert Chunk.objects.get(live=True).text == "Second."


@pytest.mark.parametrize(("path", "collection"), [("nowhere.jsonl", "test"), (".", "Not A Slug")])
def test_wrong_arguments_get_a_sentence(db: None, path: str, collection: str) -> None:
    with pytest.raises(CommandError, match=r"There is no file|short name"):
        call_command("ingest", path, collection=collection)


def test_the_whole_starter_set_is_well_formed() -> None:
    reading = loaders.read(Path(__file__).parents[2] / "chat/corpus/starter")
    assert not reading.problems
    assert len(reading.sources) >= 60
    for item in reading.sources:
        assert 300 <= len(item.text.split()) <= 900, item.external_id
        assert item.text.count("\nSource: ") >= 4, item.external_id
        assert item.reviewed is None, f"{item.external_id} claims a review nobody made"
