"""Each kind of damage to the data is found by the check that is there for it, and nothing sound is."""

from __future__ import annotations

import hashlib
import io
import json
import uuid
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, OperationalError, connection, transaction

from chat.models import Chunk, Citation
from compliance import metrics
from compliance.access import epoch
from compliance.continuity import integrity
from compliance.continuity.integrity import State
from compliance.models import AuditEvent, Code, DataKey, IntegrityRun, Notice
from tests import cast
from tests.chat import labelled, making

pytestmark = pytest.mark.django_db
NO_TRUNCATE = """DO $$ DECLARE one regclass; BEGIN
FOR one IN SELECT tgrelid::regclass FROM pg_trigger WHERE tgname = 'clinchat_no_truncate' LOOP
EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER clinchat_no_truncate', one); END LOOP; END $$"""


def sql(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def unwatched(*statements: str) -> None:
    """With no trigger at work but those of ALWAYS, and so no foreign key either."""
    sql("SET LOCAL session_replication_role = replica", *statements, "SET LOCAL session_replication_role = origin")


@pytest.fixture(autouse=True)
def stored() -> None:
    """A library, a conversation with a masked value, an answer with a quote; triggers as an installation has them."""
    labelled.drugs()
    turn = making.make_turn(author=cast.alice(), text="Brevoxil for John Smith, MRN 12345678?")
    chunk = Chunk.objects.filter(text__startswith="Brevoxil").get()
    quote = chunk.text[10:40]
    Citation.objects.create(
        turn=turn,
        n=1,
        position=1,
        version=chunk.version,
        chunk=chunk,
        start=chunk.start + 10,
        end=chunk.start + 40,
        quote=quote,
        sha256=hashlib.sha256(quote.encode()).hexdigest(),
    )
    sql("SET CONSTRAINTS ALL IMMEDIATE", NO_TRUNCATE)


def wrong() -> dict[str, int]:
    return {one.key: one.problems for one in integrity.run_checks() if one.problems}


def test_what_is_sound_is_found_sound() -> None:
    epoch.bump()
    found = {one.key: one for one in integrity.run_checks()}
    assert {key: one for key, one in found.items() if one.problems} == {}
    assert found["foreign_keys"].examined > 100
    for key in ("passages", "citations", "embeddings", "vault_entries", "sequences", "triggers", "embedding_model"):
        assert found[key].examined > 0, key
    assert [key for key, one in found.items() if one.problems is None] == ["pages"], (
        "the embedded server has no amcheck"
    )


ONE = "(SELECT min(id) FROM chat_chunk WHERE live)"
OTHER = "(SELECT '[' || string_agg('1', ',') || ']' FROM generate_series(1, 8))::halfvec"


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (("DELETE FROM chat_turn",), {"foreign_keys": 1}),
        (("UPDATE chat_chunk SET text = text || ' Twice.' WHERE text LIKE 'Brevoxil%'",), {"passages": 1}),
        (("UPDATE chat_chunk SET sha256 = repeat('0', 64) WHERE text LIKE 'Brevoxil%'",), {"passages": 1}),
        (("UPDATE chat_chunk SET start = start + 1 WHERE text LIKE 'Brevoxil%'",), {"passages": 1}),
        (("UPDATE chat_documentversion SET sha256 = repeat('0', 64)",), {"version_texts": 4}),
        (('UPDATE chat_citation SET start = start + 1, "end" = "end" + 1',), {"citations": 1}),
        (('UPDATE chat_citation SET "end" = start - 5',), {"citations": 1}),
        (("UPDATE chat_citation SET quote = upper(quote)",), {"citations": 1}),
        ((f"DELETE FROM chat_vector WHERE chunk_id = {ONE}",), {"embeddings": 1}),
        ((f"UPDATE chat_vector SET embedding = {OTHER}, live = false WHERE chunk_id = {ONE}",), {"dimensions": 1}),
        (("UPDATE chat_embeddingindex SET model = 'of another house'",), {"embedding_model": 1}),
        (("UPDATE chat_embeddingindex SET dimensions = 385",), {"dimensions": 4, "embedding_model": 1}),
        (("UPDATE chat_embeddingindex SET state = 'kept'",), {"embeddings": 4}),
        (
            (
                "DO $$ BEGIN EXECUTE "
                "format('DROP INDEX chat_vector_hnsw_%s', (SELECT id FROM chat_embeddingindex)); END $$",
            ),
            {"vector_indexes": 1},
        ),
        (("UPDATE compliance_vaultentry SET scope = gen_random_uuid() WHERE label = 'MRN'",), {"vault_entries": 1}),
        (("ALTER TABLE chat_turn DISABLE TRIGGER ALL",), {"triggers": 10}),
        (("ALTER TABLE chat_chunk ADD CONSTRAINT odd CHECK (ordinal < 0) NOT VALID",), {"constraints": 1}),
        (("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'chat_chunk_pkey'::regclass",), {"indexes": 1}),
        (("SELECT setval(pg_get_serial_sequence('chat_chunk', 'id'), 1, false)",), {"sequences": 1}),
    ],
)
def test_damage_is_found_by_its_check(damage: tuple[str, ...], found: dict[str, int]) -> None:
    unwatched(*damage)
    assert wrong() == found


def test_a_data_key_of_nobody_unless_it_was_destroyed() -> None:
    DataKey.objects.create(scope=uuid.uuid4(), key="a key")
    assert wrong() == {"data_keys": 1}
    sql("UPDATE compliance_datakey SET sealed = NULL, destroyed_at = now()")
    assert wrong() == {}


SHADOW = "ALTER FUNCTION integrity_checksums() SET search_path = shadow, pg_catalog, public"
"""The check as it is, before another server's statistics and settings."""


@pytest.mark.parametrize(
    ("shadow", "sample"),
    [
        (
            "CREATE VIEW shadow.pg_stat_database AS SELECT datname, checksum_failures + 2 AS checksum_failures "
            "FROM pg_catalog.pg_stat_database WHERE datname = current_database()",
            ("test_clinchat",),
        ),
        (
            "CREATE FUNCTION shadow.current_setting(text) RETURNS text LANGUAGE sql AS $$ SELECT 'off' $$",
            ("data_checksums is off",),
        ),
    ],
)
def test_checksums_that_were_wrong_and_a_server_without_them(shadow: str, sample: tuple[str, ...]) -> None:
    sql("CREATE SCHEMA shadow", shadow, SHADOW)
    (found,) = [one for one in integrity.run_checks() if one.problems]
    assert (found.key, found.sample[0].partition("_gw")[0]) == ("checksums", *sample)


AMCHECK = (
    "CREATE FUNCTION bt_index_check(one regclass) RETURNS void LANGUAGE plpgsql AS $$ BEGIN "
    "IF one = 'chat_chunk_pkey'::regclass THEN RAISE SQLSTATE 'XX002'; END IF; END $$",
    "CREATE FUNCTION verify_heapam(one regclass, a boolean = false, b boolean = false, c text = '', d bigint = 0, "
    "e bigint = 0) RETURNS TABLE (blkno bigint) LANGUAGE sql AS $$ SELECT 1 WHERE one = 'chat_term'::regclass $$",
)
"""As the extension's, which the embedded server does not have."""


def test_pages_are_read_where_there_is_amcheck() -> None:
    sql(*AMCHECK)
    (found,) = [one for one in integrity.run_checks() if one.problems]
    assert (found.key, found.problems, set(found.sample)) == ("pages", 2, {"chat_chunk_pkey", "chat_term"})
    assert found.examined > 200


def test_a_role_that_may_not_use_amcheck_is_told_so() -> None:
    sql(*AMCHECK, "CREATE ROLE plain", "GRANT pg_read_all_data TO plain", "GRANT USAGE ON SCHEMA public TO plain")
    sql("REVOKE EXECUTE ON FUNCTION bt_index_check FROM PUBLIC", "SET LOCAL ROLE plain")
    found = {one.key: one for one in integrity.run_checks()}
    assert (found["pages"].problems, found["pages"].subject) == (None, "not available: this role may not use amcheck")


def test_a_table_that_may_not_be_read_is_not_called_sound() -> None:
    sql("CREATE ROLE plain", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain")
    sql("REVOKE SELECT ON compliance_roleassignment FROM plain", "SET LOCAL ROLE plain")
    found = {one.key: one for one in integrity.run_checks()}
    assert found["foreign_keys_closed"].problems is None
    assert any(name.startswith("compliance_roleassig") for name in found["foreign_keys_closed"].sample)


def test_a_damaged_page_spoils_one_check_and_is_found() -> None:
    sql(
        "CREATE FUNCTION integrity_damaged() RETURNS SETOF compliance_integrity LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE SQLSTATE 'XX001'; END $$"
    )
    found = {one.key: one for one in integrity.run_checks()}
    assert found["unreadable"].sample == ("integrity_damaged XX001",)
    assert found["passages"].problems == 0


def test_a_month_without_a_table() -> None:
    sql(
        "DO $$ BEGIN EXECUTE format('ALTER TABLE compliance_auditevent_%1$s RENAME TO gone_%1$s', "
        "to_char(now() + interval '1 month', 'YYYYMM')); END $$"
    )
    assert wrong() == {"audit_months": 1}


def test_the_names_of_what_is_wrong_are_ids() -> None:
    unwatched("DELETE FROM chat_turn")
    (found,) = [one for one in integrity.run_checks() if one.problems]
    (name,) = found.sample
    assert name.startswith("chat_citation_turn_id_")
    assert name.endswith(f" of {Citation.objects.get().pk}")


def test_both_functions_answer_whoever_asks_by_hand() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM verify_referential_integrity()")
        assert [column.name for column in cursor.description] == ["check", "subject", "looked", "problems", "sample"]
        own = [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT * FROM check_data_integrity()")
        every = [row[0] for row in cursor.fetchall()]
    assert own == ["foreign_keys", "constraints", "triggers", "indexes"]
    assert set(own) < set(every)
    assert len(every) == len(set(every))


# ── What comes of it ──────────────────────────────────────────────────────────────────────────────────────────────


DAMAGE = "UPDATE chat_chunk SET text = 'Carduline is harmless.' WHERE text LIKE 'Carduline%'"
MORE = "UPDATE chat_citation SET start = start + 1"


def events() -> int:
    return AuditEvent.objects.filter(code=Code.SYS_INTEGRITY_FAIL, object_type="compliance.IntegrityRun").count()


def codes(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [code for one in caplog.records if (code := getattr(one, "code", "")).startswith("DATA_")]


def test_a_sound_look_is_kept_and_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    cast.otto()
    seen = integrity.run()
    assert (seen.state, seen.findings, integrity.open_condition()) == (State.SOUND, [], None)
    assert seen.looked["passages"] == 4
    assert integrity.unavailable_checks(seen) == ["pages"]
    assert (events(), Notice.objects.count(), codes(caplog)) == (0, 0, [])
    assert metrics._gauges[integrity.SOUND_GAUGE].read() == 1.0
    assert metrics._gauges[integrity.LAST_RUN_GAUGE].read() == seen.ran_at.timestamp()


def test_what_is_found_is_told_once_and_stays_until_a_sound_look(caplog: pytest.LogCaptureFixture) -> None:
    otto = cast.otto()
    unwatched(DAMAGE)
    first = integrity.run()
    assert first.state == State.FINDINGS
    assert [(one["key"], one["count"]) for one in first.findings] == [("passages", 1)]
    assert (events(), codes(caplog)) == (1, ["DATA_UNSOUND"])
    assert "passages" in caplog.text
    assert "Carduline" not in caplog.text
    assert metrics._gauges[integrity.SOUND_GAUGE].read() == 0.0
    assert Notice.objects.filter(user=otto, level=Notice.Level.CRITICAL).count() == 1
    second = integrity.run()
    assert (events(), Notice.objects.filter(user=otto).count()) == (2, 1), "told again, though nothing is new"
    assert integrity.open_condition() == second
    unwatched(MORE)
    integrity.run()
    assert Notice.objects.filter(user=otto).count() == 2, "not told that it became worse"
    unwatched(
        DAMAGE.replace("Carduline is harmless.", labelled.DRUGS["carduline"]).replace("Carduline%", "Carduline is h%")
    )
    unwatched("UPDATE chat_citation SET start = start - 1")
    assert integrity.run().state == State.SOUND
    assert integrity.open_condition() is None


def test_a_look_that_cannot_be_taken_is_not_in_order(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    otto = cast.otto()
    unwatched(DAMAGE)
    found = integrity.run()

    def away() -> Any:
        raise OperationalError("the server said John Smith")

    with monkeypatch.context() as patch:
        patch.setattr(integrity, "_checks", [away])
        seen = integrity.run()
    assert (seen.state, seen.looked) == (State.ERROR, {})
    assert integrity.open_condition() == found, "what was found is forgotten, because nobody could look again"
    assert (events(), codes(caplog)) == (1, ["DATA_UNSOUND", "DATA_NOT_CHECKED"])
    assert "John Smith" not in caplog.text + json.dumps(seen.findings)
    assert Notice.objects.filter(user=otto, level=Notice.Level.WARNING).count() == 1
    assert metrics._gauges[integrity.SOUND_GAUGE].read() == 0.0


def test_a_function_that_is_gone_is_not_in_order() -> None:
    sql("ALTER FUNCTION check_data_integrity() RENAME TO gone")
    assert integrity.run().state == State.ERROR
    condition = integrity.open_condition()
    assert condition is not None
    assert condition.state == State.ERROR


def test_nobody_takes_a_look_back() -> None:
    seen = integrity.run()
    with pytest.raises(IntegrityError), transaction.atomic():
        IntegrityRun.objects.filter(pk=seen.pk).update(state=State.SOUND)


# ── The command and the task ──────────────────────────────────────────────────────────────────────────────────────


def command(*words: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("check_data_integrity", *words, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def test_the_command_ends_with_0_only_when_all_is_sound() -> None:
    code, said = command()
    assert code == 0
    assert "pages: not available here, so nothing is known of it" in said
    assert "in order" in said
    unwatched(DAMAGE)
    code, said = command("--json")
    told = json.loads(said)
    assert (code, told["state"], told["not_available"]) == (1, "findings", ["pages"])
    assert [one["key"] for one in told["findings"]] == ["passages"]
    code, said = command()
    assert code == 1
    assert "WRONG passages: 1 passages that are not the text of their document" in said
    sql("ALTER FUNCTION check_data_integrity() RENAME TO gone")
    code, said = command()
    assert code == 1
    assert "Nothing is known about the data." in said
    assert "in order" not in said


def test_the_command_without_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: Any) -> Any:
        raise OperationalError

    monkeypatch.setattr(IntegrityRun.objects, "create", away)
    code, said = command()
    assert (code, "Nothing is known about the data." in said) == (1, True)
    code, said = command("--json")
    assert (code, json.loads(said)["state"]) == (1, "error")


def test_it_is_looked_each_night() -> None:
    from clinchat.schedule import EVERY
    from compliance.tasks import check_integrity

    entry = next(one for one in EVERY.values() if one["task"] == check_integrity.name)
    assert entry["options"]["queue"] == "recovery"
    check_integrity()
    assert IntegrityRun.objects.count() == 1
