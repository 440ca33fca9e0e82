"""Another embedding model: built beside the searched index, measured, switched to in one step, and back."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from django.core.management import CommandError, call_command
from django.db import connection

from chat import gate, model_change, starting
from chat.corpus import vectors
from chat.llm import encoders
from chat.models import Chunk, Collection, EmbeddingIndex, Evaluation, Vector
from chat.pipeline import retrieve
from chat.pipeline.types import Question, Reader
from clinchat import local
from compliance import health
from tests.chat import labelled
from tests.processes import PATIENCE

pytestmark = pytest.mark.django_db
KEYS = ("secret_key", "sealing_key", "index_key", "certificate_key", "backup_key")
ROOT = Path(__file__).parents[2]
State = EmbeddingIndex.State
OTHER, BLIND = "test-words-64", "test-blind-64"


class Words:
    """Texts with the same words are alike: a small encoder that is quick and not bad."""

    dimensions, max_tokens = 64, 256

    def __init__(self, name: str, *, sees: bool = True) -> None:
        self.name, self.sees = name, sees
        self.embedded: list[str] = []

    def tokens(self, text: str) -> Sequence[int]:
        return [len(word) for word in text.split()]

    def embed_passages(self, texts: Sequence[str]) -> Any:
        import numpy as np

        self.embedded += texts
        return np.stack([self._vector(text) for text in texts])

    def embed_query(self, text: str) -> list[float]:
        vector: list[float] = self._vector(text).tolist()
        return vector

    def embed_queries(self, texts: Sequence[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def _vector(self, text: str) -> Any:
        import numpy as np

        vector = np.full(64, 0.01, dtype=np.float32)
        if self.sees:
            for word in re.findall(r"[a-z]{4,}", text.lower()):
                vector[int.from_bytes(word[:6].encode()[:4], "big") % 61] += 1
        return vector / np.linalg.norm(vector)


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Words:
    """Two more models this installation has: one that works, and one to which all texts are alike."""
    made = {OTHER: Words(OTHER), BLIND: Words(BLIND, sees=False)}
    find, names = encoders.find, encoders.names
    monkeypatch.setattr(encoders, "find", lambda name: made.get(name) or find(name))
    monkeypatch.setattr(encoders, "names", lambda: [*names(), *made])
    return made[OTHER]


@pytest.fixture
def collection(db: None, other: Words) -> Collection:
    return labelled.drugs()


def reindex(**options: Any) -> str:
    out = io.StringIO()
    call_command("reindex", stdout=out, stderr=io.StringIO(), **options)
    return out.getvalue()


def states() -> dict[str, str]:
    return dict(EmbeddingIndex.objects.values_list("model", "state"))


def found(collection: Collection, text: str) -> str:
    """The first document of an answer to a question, with whatever model is searched."""
    question = Question(text, Reader((collection.pk,), everything=True))
    return retrieve.retrieve(question, retrieve.embed(text))[0].external_id


def test_a_second_index_is_built_while_the_first_is_searched(collection: Collection, other: Words) -> None:
    first = encoders.names()[0]
    assert "complete" in reindex(model=OTHER)
    assert states() == {first: State.ACTIVE, OTHER: State.BUILDING}
    assert len(other.embedded) == 4
    assert found(collection, "What raises potassium?") == "denopril"
    assert vectors.active().model == first
    told = json.loads(reindex(list=True, json=True))
    assert [(one["model"], one["state"], one["vectors"], one["waiting"]) for one in told["indexes"]] == [
        (first, "active", 4, 0),
        (OTHER, "building", 4, 0),
    ]
    assert told["installed"] == encoders.names()
    assert told["indexes"][0]["installed"]


def test_an_interrupted_build_goes_on_and_embeds_nothing_twice(
    collection: Collection, other: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "BATCH", 2)
    embed = other.embed_passages

    def dies(texts: Sequence[str]) -> Any:
        if len(other.embedded) >= 2:
            raise KeyboardInterrupt
        return embed(texts)

    monkeypatch.setattr(other, "embed_passages", dies)
    with pytest.raises(KeyboardInterrupt):
        reindex(model=OTHER)
    assert Vector.objects.filter(index__model=OTHER).count() == 2
    monkeypatch.setattr(other, "embed_passages", embed)
    reindex(model=OTHER)
    assert Vector.objects.filter(index__model=OTHER).count() == 4
    assert len(other.embedded) == len(set(other.embedded)) == 4


def test_the_switch_is_one_step_and_the_way_back_another(collection: Collection, other: Words) -> None:
    first = encoders.names()[0]
    reindex(model=OTHER)
    assert "is searched from now on" in reindex(activate=OTHER)
    assert states() == {first: State.KEPT, OTHER: State.ACTIVE}
    assert retrieve.embed("anything").model == OTHER
    assert found(collection, "When is serum potassium checked after denopril?") == "denopril"
    reindex(activate=first)
    assert states() == {first: State.ACTIVE, OTHER: State.KEPT}
    assert found(collection, "What raises potassium?") == "denopril"


def test_what_came_since_the_build_is_embedded_before_the_switch(collection: Collection, other: Words) -> None:
    first = encoders.names()[0]
    reindex(model=OTHER)
    reindex(activate=OTHER)
    labelled.load(collection, labelled.source("foradine", "Foradine is taken at night."))
    assert Vector.objects.filter(index__model=first).count() == 4, "the kept index is not filled any more"
    reindex(activate=first)
    assert Vector.objects.filter(index__model=first, live=True).count() == 5
    assert found(collection, "When is foradine taken?") == "foradine"


def test_a_vector_that_missed_a_release_is_switched_with_the_index(collection: Collection) -> None:
    reindex(model=OTHER)
    Vector.objects.filter(index__model=OTHER).update(live=False)
    reindex(activate=OTHER)
    assert Vector.objects.filter(index__model=OTHER, live=True).count() == 4


def test_a_model_that_answers_worse_is_refused_with_the_comparison(collection: Collection) -> None:
    labelled.ask_of(collection)
    first = encoders.names()[0]
    reindex(model=BLIND)
    with pytest.raises(CommandError, match="Nothing was changed") as refused:
        reindex(activate=BLIND)
    assert "drugs: " in str(refused.value)
    assert states() == {first: State.ACTIVE, BLIND: State.BUILDING}
    kept = Evaluation.objects.get(model=BLIND)
    assert not kept.passed
    assert kept.against is not None
    assert kept.against.model == first
    assert gate.evaluate(collection=collection).against == kept.against, "it is not what was in force"


def test_a_model_that_answers_as_well_is_measured_and_taken(
    collection: Collection, other: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled.ask_of(collection)
    monkeypatch.setattr(gate, "fallen", lambda after, before: [])
    reindex(model=OTHER)
    assert "Order of the documents" in reindex(activate=OTHER)
    after = Evaluation.objects.get(model=OTHER)
    assert (after.passed, after.against is not None) == (True, True)


def test_an_index_that_is_not_searched_can_be_removed(collection: Collection) -> None:
    reindex(model=OTHER)
    pk = EmbeddingIndex.objects.get(model=OTHER).pk
    reindex(drop=OTHER)
    assert OTHER not in states()
    assert not Vector.objects.filter(index_id=pk).exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname = %s", [f"chat_vector_hnsw_{pk}"])
        assert cursor.fetchone() == (0,)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": "nothing"}, "does not have the embedding model nothing"),
        ({"activate": OTHER}, "There is no index of"),
        ({"drop": OTHER}, "There is no index of"),
        ({"model": OTHER, "collection": "drugs"}, "leave out --collection"),
        ({"json": True}, "--json goes with --list"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_done_is_said(collection: Collection, options: dict[str, Any], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        reindex(**options)


def test_the_searched_index_is_neither_removed_nor_a_second_one_begun(collection: Collection) -> None:
    first = encoders.names()[0]
    for option in ("drop", "activate"):
        with pytest.raises(CommandError, match="is the one that is searched"):
            reindex(**{option: first})
    reindex(model=OTHER)
    with pytest.raises(CommandError, match=f"The index of {OTHER} is being built"):
        reindex(model=BLIND)


def test_without_an_option_the_word_index_is_written_anew(collection: Collection) -> None:
    assert reindex(collection="drugs") == "drugs: 4 passages indexed\n"
    assert vectors.waiting(vectors.active()).count() == 0
    assert Chunk.objects.filter(live=True).count() == 4


# ── A process without the model ──────────────────────────────────────────────────────────────────────────────────


def test_a_process_without_the_searched_model_is_not_ready_and_says_what_to_do(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search() -> bool:
        return next(check.ok for check in health.run_checks() if check.key == "search")

    def deploy() -> list[str]:
        return [found.id or "" for found in checks.run_checks(include_deployment_checks=True)]

    assert search()
    assert "chat.E001" not in deploy()
    EmbeddingIndex.objects.update(model="model-of-another-time")
    assert not search()
    assert "chat.E001" in deploy()
    with pytest.raises(Exception, match=r"model-of-another-time.*reindex --model"):
        starting.require_model()


def test_a_dimension_that_differs_is_the_same_as_another_model(collection: Collection) -> None:
    EmbeddingIndex.objects.update(dimensions=512)
    with pytest.raises(vectors.OtherModel):
        vectors.check()


def test_a_database_without_tables_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import ProgrammingError

    def nothing() -> None:
        raise ProgrammingError

    monkeypatch.setattr(vectors, "check", nothing)
    starting.require_model()
    assert not starting.can_search()


@pytest.fixture
def foreign(transactional_db: None) -> Iterator[dict[str, str]]:
    """The environment of a process that starts on a database indexed with a model nobody here has."""
    EmbeddingIndex.objects.create(model="model-of-another-time", dimensions=384, state=State.ACTIVE)
    name = connection.settings_dict["NAME"]
    host = local.paths().pg_socket_dir
    keys = local.paths().keys
    yield {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": f"postgresql:///{name}?host={host}&user={connection.settings_dict['USER']}&sslmode=disable",
        "REDIS_URL": local.redis_url(),
        "CLINCHAT_HOSTS": "127.0.0.1",
        "CLINCHAT_BIND": "127.0.0.1:0",
        **{name.upper() + "_FILE": str(keys / name) for name in KEYS},
        "AUDIT_PUBLIC_KEYS_FILE": str(keys / "audit_public_keys"),
    }
    EmbeddingIndex.objects.all().delete()


@pytest.mark.django_db(transaction=True)
def test_web_worker_and_beat_do_not_start_without_the_model(foreign: dict[str, str], tmp_path: Path) -> None:
    celery = ("celery", "--quiet", "-A", "clinchat")
    worker = (*celery, "worker", "-n", "start-test@%h", "--pool", "solo", "--without-mingle", "--without-gossip")
    started = {
        "web": ("gunicorn", "-c", "deploy/gunicorn.conf.py", "-w", "1", "clinchat.wsgi"),
        "worker": (*worker, "-Q", "answers"),
        "beat": (*celery, "beat", "--schedule", str(tmp_path / "schedule")),
    }
    running = {
        name: subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            env=foreign,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name, words in started.items()
    }
    try:
        said = {name: process.communicate(timeout=PATIENCE)[0] for name, process in running.items()}
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    for name, process in running.items():
        assert process.returncode != 0, f"{name}: {said[name]}"
        assert "model-of-another-time" in said[name], f"{name}: {said[name]}"
        assert "manage.py reindex --model NAME" in said[name], f"{name}: {said[name]}"
    done = subprocess.run(
        [sys.executable, "manage.py", "reindex", "--list"], cwd=ROOT, env=foreign, capture_output=True, text=True
    )
    assert (done.returncode, "the model is not installed here" in done.stdout) == (0, True), done.stderr


@pytest.mark.django_db(transaction=True)
def test_other_processes_start_without_the_model(foreign: dict[str, str]) -> None:
    """The sealer must go on: nothing it does needs a model."""
    for entry in (["check"], ["migrate", "--check"]):
        done = subprocess.run(
            [sys.executable, "manage.py", *entry], cwd=ROOT, env=foreign, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def test_what_is_waiting_for_an_index_there_is_none_of_is_everything(collection: Collection) -> None:
    assert model_change.waiting("nothing") == 4
