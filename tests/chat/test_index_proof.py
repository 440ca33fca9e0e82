"""The nightly proof: every kind of damage to the search index is found, named and told, and nothing sound is."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from chat import index_proof, releases
from chat.corpus import vectors
from chat.corpus.ingest import ingest
from chat.llm import encoders
from chat.models import Chunk, Collection, Document, IndexProof
from compliance.models import Notice
from tests import cast
from tests.chat import labelled
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def collection(db: None) -> Collection:
    """With a past version, a withdrawn document and one that waits, none of which is damage."""
    made = labelled.drugs()
    labelled.load(made, labelled.source("brevoxil", labelled.DRUGS["brevoxil"] + " Take brevoxil with water."))
    releases.withdraw(documents=[Document.objects.get(external_id="etorazol")], reason="Recalled.", by=make_user())
    ingest(sources=[labelled.source("denopril", "Denopril is not embedded yet.")], collection=made)
    return made


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def test_an_index_that_is_sound_passes(collection: Collection) -> None:
    proof = index_proof.prove()
    assert (proof.ok, proof.found) == (True, {})
    assert (proof.passages, proof.sampled, proof.recall) == (3, 3, 1.0)
    assert proof.model == encoders.names()[0]


def test_an_installation_without_documents_passes(db: None) -> None:
    proof = index_proof.prove()
    assert (proof.ok, proof.passages, proof.recall) == (True, 0, None)


CHANGED = {"texts", "other_vectors", "postings", "spellings"}
ONE = "(SELECT min(id) FROM chat_chunk WHERE live)"


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (f"DELETE FROM chat_vector WHERE chunk_id = {ONE}", {"no_vector"}),
        (f"UPDATE chat_vector SET live = false WHERE chunk_id = {ONE}", {"vector_flags"}),
        (f"DELETE FROM chat_posting WHERE chunk_id = {ONE}", {"no_postings", "postings", "term_counts", "totals"}),
        (f"UPDATE chat_posting SET live = false WHERE chunk_id = {ONE}", {"posting_flags", "term_counts"}),
        ("UPDATE chat_term SET chunks = chunks + 1 WHERE lexeme = 'brevoxil'", {"term_counts"}),
        (f"UPDATE chat_posting SET frequency = 9 WHERE chunk_id = {ONE}", {"postings"}),
        ("UPDATE chat_word SET chunks = chunks + 1 WHERE word = 'brevoxil'", {"spellings"}),
        ("UPDATE chat_collection SET live_chunks = 7", {"totals"}),
        ("DELETE FROM chat_listing WHERE until_id IS NULL", {"listings"}),
        ("UPDATE chat_documentversion SET status = 'superseded' WHERE status = 'published'", {"listings"}),
        (
            "UPDATE chat_chunk SET text = 'Carduline is harmless.' WHERE text LIKE 'Carduline%'",
            {"texts", "other_vectors", "postings", "spellings"},
        ),
        (
            "UPDATE chat_documentversion SET text = replace(text, '40 mg', '400 mg') WHERE status = 'published'",
            {"texts"},
        ),
        (
            f"UPDATE chat_vector SET embedding = (SELECT v.embedding FROM chat_vector v WHERE v.chunk_id <> {ONE} "
            f"AND v.live LIMIT 1) WHERE chunk_id = {ONE}",
            {"other_vectors"},
        ),
        ("DROP INDEX chat_vector_hnsw_1", {"no_index"}),
    ],
    ids=lambda value: value.split(" WHERE ")[0][:40] if isinstance(value, str) else "-".join(sorted(value)),
)
def test_each_kind_of_damage_is_found_by_name(collection: Collection, damage: str, names: set[str]) -> None:
    run(damage.replace("hnsw_1", f"hnsw_{vectors.active().pk}"))
    proof = index_proof.prove()
    assert not proof.ok
    assert set(proof.found) == names
    assert set(proof.found) <= set(index_proof.WHAT)


def test_an_index_that_does_not_find_the_nearest_is_told(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    near: Callable[..., set[int]] = index_proof._near

    def half(*given: Any, by_index: bool) -> set[int]:
        found = near(*given, by_index=by_index)
        return set(sorted(found)[: len(found) // 2]) if by_index else found

    monkeypatch.setattr(index_proof, "_near", half)
    proof = index_proof.prove()
    assert (proof.recall, proof.found) == (0.5, {"recall": 3})


def test_it_is_told_once_when_it_becomes_worse_and_the_log_quotes_nothing(
    collection: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    otto, alice = cast.otto(), cast.alice()
    Chunk.objects.filter(live=True, text__startswith="Carduline").update(text="Carduline cures everything.")
    with caplog.at_level(logging.ERROR, "chat.index_proof"):
        index_proof.prove()
        index_proof.prove()
    notice = Notice.objects.get(user=otto)
    assert (notice.level, notice.url) == (Notice.Level.WARNING, "/library/quality/")
    assert not Notice.objects.filter(user=alice).exists()
    assert [record.getMessage() for record in caplog.records] == [
        "the search index is not what the library says: other_vectors, postings, spellings, texts"
    ] * 2


def test_the_command_says_it_and_its_exit_code_means_it(collection: Collection) -> None:
    out = io.StringIO()
    call_command("check_knowledge_base", stdout=out)
    assert "Nothing is wrong." in out.getvalue()
    run("UPDATE chat_collection SET live_length = 7")
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("check_knowledge_base", json=True, stdout=out)
    told = json.loads(out.getvalue())
    assert (ended.value.code, told["ok"], told["found"]) == (1, False, {"totals": 1})
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("check_knowledge_base", stdout=out)
    assert "Collections whose totals are wrong: 1" in out.getvalue()
    assert IndexProof.objects.count() == 3


def test_the_command_never_says_that_all_is_well_when_it_could_not_look(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_name: str) -> None:
        raise encoders.Unknown("other")

    monkeypatch.setattr(encoders, "get", gone)
    with pytest.raises(CommandError, match="Nothing is known"):
        call_command("check_knowledge_base", stdout=io.StringIO())


def test_reindex_repairs_the_word_index(collection: Collection) -> None:
    run(f"DELETE FROM chat_posting WHERE chunk_id = {ONE}")
    assert not index_proof.prove().ok
    call_command("reindex", stdout=io.StringIO())
    assert index_proof.prove().found == {}
