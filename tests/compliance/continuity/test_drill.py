"""The drill of every day: a small installation is backed up, restored and asked; and each question can be answered no.

One backup and one restored server for all of it. What is broken is broken in a copy of the restored database.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.test import override_settings
from psycopg import conninfo

from compliance.continuity.backup import backups
from compliance.continuity.controls import REQUIRED_ASSERTIONS
from compliance.continuity.drill import drills
from compliance.continuity.drill.assertions import RestoredCopy, Result
from compliance.continuity.drill.process import AssertionProcess
from compliance.continuity.scratch import ScratchServer
from compliance.models import Backup, Drill
from tests.compliance.continuity import installation, live

pytestmark = pytest.mark.django_db
State = Drill.State
WHOLE, COPY = "whole", "broken"
FIGURES = {"rows", "checksums"}
"""Are other ones whenever a row is."""


@dataclass
class Held:
    """The drill that was held, and its restored server, which still runs."""

    drill: Drill
    server: ScratchServer
    process: AssertionProcess
    copy: RestoredCopy
    store: Path

    def evaluate(self, *keys: str, copy: RestoredCopy | None = None) -> dict[str, Result]:
        return {one.key: one for one in self.process.evaluate(copy or self.copy, keys or None, database=COPY)}


@pytest.fixture(scope="module")
def held(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """As `drills.run` does it, but that server and process stay for the tests."""
    folder = tmp_path_factory.mktemp("held")
    with django_db_blocker.unblock(), ExitStack() as life, pytest.MonkeyPatch.context() as patch:
        life.enter_context(live.in_memory())
        store = life.enter_context(installation.furnished(folder))
        life.enter_context(override_settings(BACKUP_PITR=False))
        backups.create(type=Backup.Type.MANUAL, name="For the drill")
        kept: list[Any] = []

        class Staying(ScratchServer):
            def __exit__(self, *given: object) -> None:
                life.push(lambda *_: ScratchServer.__exit__(self, *given))
                kept.append(self)

        class StayingProcess(AssertionProcess):
            def __exit__(self, *given: object) -> None:
                kept.append(self)

            def evaluate(self, copy: RestoredCopy, *given: Any, **named: Any) -> list[Result]:
                if not kept:  # as it was loaded: the questions themselves go on with its trail
                    kept.append(copy)
                    where = conninfo.make_conninfo(**self._where | {"dbname": "postgres"})
                    with psycopg.connect(where, autocommit=True) as control:
                        control.execute(f"CREATE DATABASE {WHOLE} TEMPLATE clinchat STRATEGY file_copy")
                return super().evaluate(copy, *given, **named)

        patch.setattr(drills, "ScratchServer", Staying)
        patch.setattr(drills, "AssertionProcess", StayingProcess)
        drill = drills.run()
        patch.undo()
        assert drill.state == State.PASSED, drill.failure
        copy, process, server = kept
        life.callback(AssertionProcess.__exit__, process)
        yield Held(drill, server, process, copy, store)


@contextmanager
def broken(held: Held, *statements: str) -> Iterator[None]:
    """A copy of what was restored, in which this was done, as by whoever rules the database: no trigger stops it."""
    with held.server.connect("postgres") as control:
        control.execute(f"DROP DATABASE IF EXISTS {COPY} WITH (FORCE)")
        control.execute(f"CREATE DATABASE {COPY} TEMPLATE {WHOLE} STRATEGY file_copy")
    with held.server.connect(COPY) as own:
        functions = own.execute(
            "SELECT DISTINCT pg_get_functiondef(tgfoid), tgfoid::regproc::text FROM pg_trigger WHERE tgenabled = 'A'"
        ).fetchall()
        for _, name in functions:
            own.execute(
                f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
                "'BEGIN RETURN CASE TG_OP WHEN ''DELETE'' THEN OLD ELSE NEW END; END'"
            )
        own.execute("SET session_replication_role = replica")
        for statement in statements:
            own.execute(statement)
        for function, _ in functions:
            own.execute(function)
    yield


def test_drill_passes_asks_everything_and_is_measured(held: Held) -> None:
    answers = {one["key"]: one["ok"] for one in held.drill.assertions}
    assert set(answers) >= REQUIRED_ASSERTIONS | {
        "data_keys",
        "seal",
        "sealed_values",
        "triggers",
        "indexes",
        "sequences",
    }
    assert len(answers) >= 12
    assert set(answers.values()) == {True}
    assert list(held.drill.steps) == ["verify", "server", "load", "ask", "rewind"]
    assert held.drill.rto_seconds is not None
    assert 0 < held.drill.rto_seconds <= held.drill.seconds
    assert held.drill.rpo_seconds is not None
    assert held.drill.rpo_seconds > 0
    assert held.drill.backup is not None


def test_nothing_in_a_drill_names_anybody(held: Held) -> None:
    said = json.dumps(held.drill.assertions) + json.dumps(held.drill.steps)
    assert "Hartenstein" not in said
    assert "@" not in said


Fault = tuple[set[str], str]
"""The questions that must be answered no, and what was done."""
FAULTS: dict[str, list[Fault]] = {
    "what was shut or used is as before": [
        ({"data_keys"}, "INSERT INTO compliance_datakey (id, scope, created_at, destroyed_at) "
         "VALUES (gen_random_uuid(), gen_random_uuid(), now(), now())"),
        ({"sequences"}, "SELECT setval('chat_chunk_id_seq', 1, false)"),
        ({"passages"}, "UPDATE chat_chunk SET live = false"),
        ({"people"}, "UPDATE compliance_user SET is_active = true, closed_because = '', closed_at = NULL"),
        ({"used_codes"}, "UPDATE compliance_authenticator SET last_t = -1"),
        ({"blocks"}, "UPDATE compliance_networkblock SET ended_at = now()"),
        ({"schema"}, "DELETE FROM django_migrations WHERE id = (SELECT max(id) FROM django_migrations)"),
        ({"sealed_values"}, "UPDATE compliance_vaultentry SET sealed = "
         "set_byte(sealed, length(sealed) - 1, get_byte(sealed, length(sealed) - 1) # 1)"),
    ],
    "something is missing": [
        ({"indexes", "vector_search"}, "DO $$ BEGIN EXECUTE (SELECT format('DROP INDEX chat_vector_hnsw_%s', id) "
         "FROM chat_embeddingindex WHERE state = 'active'); END $$"),
        ({"triggers"}, "DROP TRIGGER continuity_no_change ON compliance_drill"),
        ({"schema"}, "ALTER TABLE compliance_drill DROP CONSTRAINT passed_drill_is_measured"),
        ({"people"}, "INSERT INTO compliance_session (id, session_key, session_data, expire_date, user_id, verified, "
         "agent, began_at, seen_at) SELECT gen_random_uuid(), id::text, '', now() + interval '1 day', id, true, '', "
         "now(), now() FROM compliance_user WHERE NOT is_active"),
        ({"used_codes"}, "UPDATE compliance_onetimelink SET used_at = NULL"),
    ],
    "an event was altered": [
        ({"trail"}, "UPDATE compliance_auditevent SET detail = '{\"a\": 1}' WHERE id = (SELECT min(id::text)::uuid "
         "FROM compliance_auditevent)"),
        ({"people"}, "UPDATE compliance_tokenfamily SET revoked_at = NULL, reason = ''"),
    ],
    "a trigger sleeps": [({"triggers", "trail"}, "ALTER TABLE compliance_user DISABLE TRIGGER clinchat_audit")],
    "seals are gone": [({"seal", "trail"}, "DELETE FROM compliance_seal")],
    "a row is gone": [({"rows"}, "DELETE FROM chat_posting WHERE ctid = (SELECT min(ctid) FROM chat_posting)")],
    "a row is another": [({"checksums"}, "UPDATE chat_collection SET name = name || 'x'")],
}  # fmt: skip
"""Those of one group know nothing of each other, so that one copy of the database serves for all of them."""


@pytest.mark.parametrize("group", FAULTS)
def test_every_question_can_be_answered_no(held: Held, group: str) -> None:
    """And none but those that are meant; of figures it is asked where a row more or less is all there is."""
    meant: set[str] = set().union(*(keys for keys, _ in FAULTS[group]))
    left_out = {"sign_in", "no_rewind", "trail_continues"} | (set() if meant & FIGURES else FIGURES)
    keys = [one["key"] for one in held.drill.assertions]  # in their order: what some ask is on record in the copy
    asked = [key for key in keys if key not in left_out]
    with broken(held, *(statement for _, statement in FAULTS[group])):
        answers = held.evaluate(*(one["key"] for one in held.drill.assertions if one["key"] in asked))
    assert {name for name, one in answers.items() if one.ok is not True} - (FIGURES - meant) == meant
    assert all(answers[key].ok is False for key in meant)


def test_a_trail_nobody_can_seal(held: Held) -> None:
    with broken(held), held.server.connect(COPY) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [0x5EA1])
        assert held.evaluate("trail_continues")["trail_continues"].ok is False


def test_the_live_trail_goes_on_while_a_drill_is_held(held: Held, settings: Any) -> None:
    ours = Path(settings.AUDIT_CHECKPOINT_FILES[0])
    before = ours.read_text()
    line = json.loads(before.splitlines()[-1])
    statement = json.loads(line["statement"])
    line["statement"] = json.dumps(statement | {"number": statement["number"] + 1})
    with broken(held):
        assert held.evaluate("trail_continues")["trail_continues"].ok
        ours.write_text(f"{before}{json.dumps(line)}\n")
        try:
            assert held.evaluate("trail")["trail"].ok
        finally:
            ours.write_text(before)


def test_a_sign_in_that_is_not_kept(held: Held) -> None:
    with broken(held):
        with held.server.connect(COPY) as own:
            own.execute(
                "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; "
                "CREATE TRIGGER forget BEFORE INSERT ON compliance_session FOR EACH ROW EXECUTE FUNCTION forget()"
            )
        assert held.evaluate("sign_in")["sign_in"].ok is False


def test_a_restore_that_undoes_what_was_done_since(held: Held) -> None:
    """What shuts a network out does not last: that is seen, wherever it was lost."""
    dump = replace(held.copy, dump=str(next(held.server.folder.glob("database.dump"))))
    with broken(held):
        with held.server.connect(COPY) as own:
            own.execute(
                "CREATE FUNCTION open() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.ended_at := NEW.made_at; "
                "RETURN NEW; END'; "
                "CREATE TRIGGER open BEFORE INSERT ON compliance_networkblock FOR EACH ROW EXECUTE FUNCTION open()"
            )
        answer = held.evaluate("no_rewind", copy=dump)["no_rewind"]
    assert answer.ok is False
    assert "the network is open" in answer.observed


def test_a_question_that_cannot_be_asked_is_no_pass(held: Held) -> None:
    with broken(held, "DROP TABLE compliance_networkblock CASCADE"):
        answer = held.evaluate("blocks")["blocks"]
    assert answer.ok is None
    assert answer.observed.startswith("Could not be asked")


# ── What a drill comes to ───────────────────────────────────────────────────────────────────────────────────────


def part(held: Held, name: str = "database.dump") -> Path:
    return next(held.store.glob(f"backups/*/{name}"))


def test_an_archive_that_is_a_byte_shorter(held: Held) -> None:
    whole = part(held).read_bytes()
    part(held).write_bytes(whole[:-1])
    try:
        drill = drills.run()
    finally:
        part(held).write_bytes(whole)
    assert (drill.state, drill.failure) == (State.FAILED, "database.dump ends too early.")
    assert drill.assertions == []


def test_a_manifest_that_was_altered_or_is_gone(held: Held) -> None:
    whole = part(held, "manifest.json").read_bytes()
    for changed, words in ((whole.replace(b"local", b"lokal"), "manifest.json bears no signature of ours."), (b"", "")):
        part(held, "manifest.json").write_bytes(changed)
        drill = drills.run()
        part(held, "manifest.json").write_bytes(whole)
        assert drill.state == State.FAILED
        assert words in drill.failure


def test_a_backup_that_is_not_there(held: Held, settings: Any, tmp_path: Path) -> None:
    settings.BACKUP_STORES = [str(tmp_path)]
    drill = drills.run()
    assert (drill.state, drill.failure) == (State.FAILED, "A full backup is not there.")


def test_a_server_that_cannot_be_started(held: Held, settings: Any, tmp_path: Path) -> None:
    settings.POSTGRES_PROGRAMS = str(tmp_path)
    drill = drills.run()
    assert drill.state == State.ERROR
    assert "is not installed here" in drill.failure


def test_no_key(held: Held, settings: Any) -> None:
    def none() -> list[bytes]:
        from django.core.exceptions import ImproperlyConfigured

        raise ImproperlyConfigured

    settings.BACKUP_KEYS = none
    drill = drills.run()
    assert drill.state == State.ERROR
    assert "no backup key" in drill.failure


def test_the_command_says_it_did_not_pass(held: Held, settings: Any, tmp_path: Path, capsys: Any) -> None:
    settings.BACKUP_STORES = [str(tmp_path)]
    with pytest.raises(SystemExit) as end:
        call_command("backup", "drill", "--json")
    assert end.value.code == 1
    assert json.loads(capsys.readouterr().out)["state"] == "failed"
