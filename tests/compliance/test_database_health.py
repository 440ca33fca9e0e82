"""What is said of the database is so, no statement is shown, and nothing waits for a database that is away."""

from __future__ import annotations

import io
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection, connections

from compliance import database_health, database_performance, deadlines, metrics
from compliance.database_health import HEALTH
from compliance.database_performance import PERFORMANCE
from compliance.measured import Measured, State, worst
from tests.processes import until

pytestmark = pytest.mark.django_db
SECRET = "John Smith 123-45-6789"


def command(name: str, *words: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command(name, *words, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def of(found: list[Measured], key: str) -> Measured:
    (one,) = [one for one in found if one.key == key]
    return one


@contextmanager
def another(**parameters: Any) -> Iterator[psycopg.Connection]:
    """Somebody else's session."""
    known = connections["default"].get_connection_params() | {"cursor_factory": psycopg.Cursor, "context": None}
    with psycopg.connect(**known | parameters) as found:
        yield found


@contextmanager
def silent() -> Iterator[int]:
    """A server that takes every connection and never says anything; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The database is at this port from now on."""

    def at(port: int) -> None:
        elsewhere = {"host": "127.0.0.1", "port": port, "dbname": "clinchat", "user": "clinchat", "password": SECRET}
        monkeypatch.setattr(database_health, "_connection_parameters", lambda: elsewhere)
        monkeypatch.setattr(database_health, "CONNECT_SECONDS", 2)
        monkeypatch.setattr(database_health, "TOTAL_SECONDS", 3.0)

    return at


# ── Connections ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_connection_is_tried(settings: Any) -> None:
    found = database_health.connections_of_this_process()
    assert [(one.key, one.state) for one in found] == [("default", State.OK), ("audit", State.OK)]
    assert found[0].value["database"] == connection.settings_dict["NAME"]
    host, name = connection.settings_dict["HOST"], connection.settings_dict["NAME"]
    settings.OWNER_DATABASE_URL = f"postgresql://clinchat@/{name}?host={host}"
    assert of(database_health.connections_of_this_process(), "owner").state == State.OK
    settings.OWNER_DATABASE_URL = f"postgresql://nobody:{SECRET.replace(' ', '%20')}@/{name}?host={host}"
    owner = of(database_health.connections_of_this_process(), "owner")
    assert (owner.state, owner.words) == (State.FAILED, "not reached: it does not run there, or refuses our account")


@pytest.mark.parametrize("name", ["check_db_connection", "check_db_health", "check_db_performance"])
def test_a_server_that_hangs_holds_nobody_up(name: str, away: Any) -> None:
    with silent() as port:
        away(port)
        began = time.monotonic()
        code, said = command(name)
    assert code == 1
    assert "no answer within 2 seconds" in said
    assert time.monotonic() - began < 20
    assert SECRET not in said


@pytest.mark.parametrize("name", ["check_db_connection", "check_db_health", "check_db_performance"])
def test_a_server_that_refuses(name: str, away: Any) -> None:
    with silent() as port:
        pass
    away(port)
    code, said = command(name, "--json")
    assert code == 1
    assert {one["state"] for one in json.loads(said)["checks"]} == {"failed"}


def test_a_database_that_takes_no_writes_is_a_warning() -> None:
    name = connection.settings_dict["NAME"]
    try:
        with another(autocommit=True) as other:
            other.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        code, said = command("check_db_connection")
    finally:
        with another(autocommit=True, options="-c default_transaction_read_only=off") as other:
            other.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    assert code == 1
    assert said.count("it takes no writes") == 2


# ── Health ────────────────────────────────────────────────────────────────────────────────────────────────────────


OF_THE_SERVER = ("replication", "slots", "size")
"""What other tests at the same server, and its disk, have a part in."""


def test_everything_is_looked_at_and_can_be_read_by_a_program() -> None:
    told = json.loads(command("check_db_health", "--json")[1])
    assert [one["key"] for one in told["checks"]] == list(HEALTH)
    by_key = {one["key"]: one for one in told["checks"]}
    assert by_key["version"]["value"] >= 180000
    assert 0 < by_key["connections"]["value"]["used"] < by_key["connections"]["value"]["most"]
    assert by_key["vector"]["value"]["installed_version"]
    assert by_key["checksums"]["value"] == {"on": True, "failures": 0}
    assert by_key["size"]["value"]["database_bytes"] > 1_000_000


def test_the_exit_code_is_that_of_the_worst(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in OF_THE_SERVER:
        monkeypatch.delitem(HEALTH, key)
    assert command("check_db_health")[0] == 0
    monkeypatch.setattr(database_health, "OLDEST_VERSION", 990_000)
    code, said = command("check_db_health")
    assert code == 1
    assert "18 or newer is needed" in said


def test_the_role_of_the_portal_may_look_at_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    known = database_health._connection_parameters()
    with another(autocommit=True) as other:
        other.execute("CREATE ROLE portal_plain; GRANT pg_read_all_stats TO portal_plain")
        try:
            monkeypatch.setattr(
                database_health, "_connection_parameters", lambda: known | {"options": "-c role=portal_plain"}
            )
            found = database_health.health() + database_performance.performance()
        finally:
            other.execute("DROP ROLE portal_plain")
    assert [one for one in found if "could not be looked at" in one.words] == []
    assert of(found, "size").value["wal_bytes"] is None


def test_a_log_that_nobody_copies_is_a_warning(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.BACKUP_PITR = True
    monkeypatch.setattr(database_health, "SLOT", "of_this_test")
    slots = of(database_health.health(), "slots")
    assert (slots.state, "of_this_test is missing" in slots.words) == (State.WARNING, True)
    with another(autocommit=True) as other:
        other.execute("SELECT pg_create_physical_replication_slot('of_this_test', true)")
        try:
            slots = of(database_health.health(), "slots")
        finally:
            other.execute("SELECT pg_drop_replication_slot('of_this_test')")
    assert slots.state == State.WARNING
    assert re.search(r"of_this_test keeps \d+ MB, nobody reads it", slots.words)


def test_somebody_who_waits_for_a_lock_is_seen() -> None:
    with another() as holder, another(autocommit=True, application_name="waits") as waiting:
        holder.execute("LOCK TABLE compliance_purge IN ACCESS EXCLUSIVE MODE")
        seen: list[Measured] = []
        pid = holder.info.backend_pid

        def look() -> None:
            waiting.execute("SET lock_timeout = '60s'")
            waiting.execute(f"SELECT '{SECRET}' FROM compliance_purge")

        def watch() -> None:
            def is_seen() -> bool:
                found = of(database_health.health(), "locks")
                seen.extend([found] if found.value else [])
                return bool(seen)

            try:
                until(is_seen, "nobody is seen to wait")
            finally:
                holder.rollback()

        deadlines.run_all({"look": (90.0, look), "watch": (90.0, watch)})
    (locks,) = seen
    assert (locks.value[0]["application"], locks.value[0]["blocked_by"]) == ("waits", [pid])
    assert SECRET not in json.dumps(locks.value)


@pytest.mark.parametrize(
    ("value", "state"), [(299, State.OK), (300, State.WARNING), (3599, State.WARNING), (3600, State.FAILED)]
)
def test_grades(value: float, state: State) -> None:
    assert database_health.grade(value, warning=300, failed=3600) == state


LIES = {
    "connections": ("SELECT 190 AS used, 197 AS most", State.FAILED),
    "version": ("SELECT 170002, '17.2'", State.FAILED),
    "wraparound": ("SELECT 600000000", State.WARNING),
    "checksums": ("SELECT true, 3", State.FAILED),
}
ROWS = {
    "locks": ("SELECT 1 AS pid, ARRAY[2] AS blocked_by, 'x' AS application, 12.5 AS seconds", State.WARNING),
    "transactions": ("SELECT 1 AS pid, 'x' AS application, 'active' AS state, 4000 AS seconds", State.FAILED),
    "replication": (
        "SELECT 'b' AS application, 'streaming' AS state, 'async' AS sync_state, 45.0 AS seconds, 10::bigint AS bytes",
        State.WARNING,
    ),
    "slots": (
        "SELECT 'clinchat_wal' AS name, true AS active, 'lost' AS wal_status, 0::bigint AS retained_bytes",
        State.FAILED,
    ),
    "bloat": ("SELECT 'chat_chunk' AS table, 5 AS live, 50000 AS dead, NULL AS vacuumed_at", State.WARNING),
    "vector": (
        "SELECT '0.8.0' AS installed_version, '0.8.5' AS default_version, '{}'::text[] AS invalid",
        State.WARNING,
    ),
    "indexes": ("SELECT 'chat_chunk' AS table, 2000 AS scans, 40000 AS rows_each, 3 AS by_index", State.WARNING),
    "cache": (
        "SELECT 200000 AS hits, 100000 AS reads, 0 AS temp_bytes, 0 AS deadlocks, NULL AS since",
        State.WARNING,
    ),
    "pool": (
        "SELECT 'web' AS application, 'idle in transaction' AS state, 3 AS sessions, 90 AS longest_seconds",
        State.WARNING,
    ),
}


@pytest.mark.parametrize("key", [*LIES, *ROWS])
def test_what_is_wrong_is_graded(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server answers what a sick one would."""
    answer, state = (LIES | ROWS)[key]
    real, real_rows = database_health._single_row, database_health.rows

    def one(cursor: Any, query: str) -> Any:
        return real(cursor, answer if key in LIES else query)

    def rows(cursor: Any, query: str, params: Any = ()) -> Any:
        return real_rows(cursor, answer if key in ROWS else query, () if key in ROWS else params)

    monkeypatch.setattr(database_health, "_single_row", one)
    monkeypatch.setattr(database_health, "rows", rows)
    monkeypatch.setattr(database_performance, "rows", rows)
    looks = HEALTH | PERFORMANCE if key not in HEALTH else HEALTH
    (found,) = database_health.run_probes({key: looks[key]})
    assert found.state == state, found


def test_a_receiver_of_the_log_is_not_behind_for_replaying_nothing() -> None:
    """As pg_receivewal is seen: without a position that it replayed, and so with a lag that grows for ever."""
    with database_health.connect_read_only(database_health._connection_parameters()) as cursor:
        cursor.execute("SET default_transaction_read_only = off")
        cursor.execute(
            "CREATE TEMPORARY TABLE pg_stat_replication AS SELECT 'clinchat-wal' AS application_name, "
            "'streaming' AS state, 'async' AS sync_state, pg_current_wal_lsn() AS write_lsn, "
            "'0/0'::pg_lsn AS flush_lsn, NULL::pg_lsn AS replay_lsn, interval '1 second' AS write_lag, "
            "interval '10 minutes' AS flush_lag, interval '1 hour' AS replay_lag"
        )
        state, words, _ = HEALTH["replication"][1](cursor)
    assert (state, words[:18]) == (State.OK, "1 connected, 1.0 s")


def test_a_look_that_fails_spoils_no_other() -> None:
    def broken(cursor: Any) -> Any:
        cursor.execute(f"SELECT '{SECRET}'::int")

    found = database_health.run_probes({"broken": ("Broken", broken), "version": HEALTH["version"]})
    assert [(one.key, one.state) for one in found] == [("broken", State.FAILED), ("version", State.OK)]
    assert found[0].words == "could not be looked at: InvalidTextRepresentation"


def test_a_look_that_hangs_ends_and_what_was_seen_before_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing ends what hangs before the look is over."""
    monkeypatch.setattr(database_health, "TOTAL_SECONDS", 3.0)
    monkeypatch.setattr(database_health, "STATEMENT_SECONDS", 600)
    forever = "SELECT pg_sleep(600)"

    def hangs(cursor: Any) -> Any:
        cursor.execute(forever)

    found = database_health.run_probes({"version": HEALTH["version"], "hangs": ("Hangs", hangs)})
    with another(autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = %s", [forever])
    assert [(one.key, one.state) for one in found] == [("version", State.OK), ("database", State.FAILED)]


# ── Performance ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_slow_statement_is_shown_without_what_it_says(settings: Any) -> None:
    settings.CLINCHAT_SLOW_QUERY_MS = 100
    seen: list[Measured] = []
    taken = "SELECT pg_advisory_lock(4711)"
    with another(autocommit=True) as holder, another(autocommit=True) as slow:
        holder.execute(taken)

        def run() -> None:
            slow.execute(f"{taken}, '{SECRET}' FROM compliance_user RIGHT JOIN (SELECT 1) one ON true")

        def watch() -> None:
            def is_seen() -> bool:
                found = of(database_performance.performance(), "statements")
                seen.extend([found] if any(one["table"] for one in found.value["statements"]) else [])
                return bool(seen)

            try:
                until(is_seen, "the slow statement is not shown")
            finally:
                holder.execute("SELECT pg_advisory_unlock(4711)")

        deadlines.run_all({"run": (90.0, run), "watch": (90.0, watch)})
    (found,) = seen
    assert ("SELECT", "compliance_user") in {(one["statement"], one["table"]) for one in found.value["statements"]}
    assert found.state == State.WARNING
    assert "John" not in json.dumps(found.value) + found.words


def test_what_pg_stat_statements_keeps_is_shown_without_what_it_says() -> None:
    with another(autocommit=True) as other:
        other.execute(
            "CREATE VIEW pg_stat_statements AS SELECT oid AS dbid, 7 AS calls, 2000.5 AS mean_exec_time, "
            f"3000.5 AS max_exec_time, 14003.5 AS total_exec_time, 'DELETE FROM chat_turn -- {SECRET}' AS query "
            "FROM pg_database WHERE datname = current_database()"
        )
        try:
            found = of(database_performance.performance(), "statements")
        finally:
            other.execute("DROP VIEW pg_stat_statements")
    (statement,) = found.value["statements"]
    assert (statement["statement"], statement["table"], statement["calls"]) == ("DELETE", "chat_turn", 7)
    assert found.value["by"] == "pg_stat_statements"
    assert "John" not in json.dumps(found.value)


def test_slow_statements_of_the_day_are_counted(settings: Any) -> None:
    before = metrics.last_day()[metrics.SLOW_STATEMENTS][""]
    settings.CLINCHAT_SLOW_QUERY_MS = 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.01)")
    settings.CLINCHAT_SLOW_QUERY_MS = 1000
    found = of(database_performance.performance(), "statements")
    assert found.value["last_day"] == before + 1


def test_without_redis_the_number_is_not_zero(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1"
    found = of(database_performance.performance(), "statements")
    assert found.value["last_day"] is None
    assert "not known" in found.words


def test_the_pool_says_who_is_connected() -> None:
    with another(application_name="a forgotten one") as other:
        other.execute("SELECT 1")
        pool = of(database_performance.performance(), "pool")
    assert "1 idle in transaction (a forgotten one)" in pool.words


# ── What a command makes of it ────────────────────────────────────────────────────────────────────────────────────


def measured(*states: State) -> list[Measured]:
    return [Measured("key", "Name", state, "words") for state in states]


def test_the_worst_counts_and_what_is_not_there_does_not() -> None:
    assert worst(measured(State.OK, State.ABSENT)) == State.OK
    assert worst(measured(State.OK, State.WARNING, State.ABSENT)) == State.WARNING
    assert worst(measured(State.FAILED, State.WARNING)) == State.FAILED
