"""Statements that take long are told by fingerprint, first word and table; what runs out of time is told as TIMEOUT."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test import Client
from pytest_django import Settings

from compliance.logs import database
from compliance.models import User
from compliance.views import errors

SECRET = "Zebulon Quixworth"


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Any:
    def read(code: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        assert SECRET not in json.dumps(found)
        return [line for line in found if line["code"] == code]

    return read


def measured(sql: str, params: list[str] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


@pytest.mark.django_db
def test_a_slow_statement_is_told_without_its_parameters(lines: Any, settings: Settings) -> None:
    settings.CLINCHAT_SLOW_QUERY_MS = 20
    sql = "SELECT x.told, pg_sleep(0.03) FROM (SELECT %s AS told) x LEFT JOIN compliance_user ON false"
    measured(sql, [SECRET])
    (line,) = lines("SLOW_QUERY")
    assert line["stream"] == "performance"
    assert 30 <= line["ms"] < 5000
    assert line["fingerprint"] == hashlib.sha256(sql.encode()).hexdigest()[:12]
    assert (line["statement"], line["table"]) == ("SELECT", "compliance_user")


@pytest.mark.django_db
def test_a_name_that_is_no_table_of_ours_is_not_passed_on(lines: Any, settings: Settings) -> None:
    settings.CLINCHAT_SLOW_QUERY_MS = 20
    measured(f"SELECT pg_sleep(0.03) FROM (SELECT 1) zebulon /* from {SECRET} */")
    (line,) = lines("SLOW_QUERY")
    assert "table" not in line
    assert "ebulon" not in json.dumps(line)


@pytest.mark.django_db
def test_a_quick_statement_is_not_told(lines: Any, settings: Settings) -> None:
    settings.CLINCHAT_SLOW_QUERY_MS = 60_000
    list(User.objects.all())
    assert lines("SLOW_QUERY") == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("limit", ["statement", "lock"])
def test_a_statement_that_runs_out_of_time_is_told_once(limit: str, lines: Any) -> None:
    with psycopg.connect(**libpq()) as other:
        other.execute("LOCK TABLE compliance_user IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(OperationalError), transaction.atomic():
            measured(f"SET LOCAL {limit}_timeout = 30; SELECT %s FROM compliance_user", [SECRET])
    (line,) = lines("TIMEOUT")
    assert (line["what"], line["limit"]) == ("database", limit)
    assert 0.03 <= line["seconds"] < 5


def libpq() -> dict[str, Any]:
    given = connection.get_connection_params()
    return {name: given[name] for name in ("dbname", "user", "host", "port", "password") if given.get(name)}


@pytest.mark.django_db(transaction=True)
def test_a_connection_is_measured_once_and_for_good(lines: Any, settings: Settings) -> None:
    connection.close()
    with connection.execute_wrapper(lambda execute, *args: execute(*args)):
        connection.close()
        measured("SELECT 1")  # connects, inside of somebody's wrapper
    assert connection.execute_wrappers.count(database._measured) == 1
    settings.CLINCHAT_SLOW_QUERY_MS = 20
    measured("SELECT pg_sleep(0.03)")
    assert len(lines("SLOW_QUERY")) == 1


@pytest.mark.django_db
def test_somebody_elses_wrapper_takes_itself_away_and_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections["default"], "execute_wrappers", [])
    with connection.execute_wrapper(lambda execute, *args: execute(*args)):
        database._measure_on(connection)
    assert connection.execute_wrappers == [database._measured]


@pytest.mark.django_db
def test_a_database_that_does_not_answer_in_time_is_told(lines: Any, client: Client) -> None:
    try:
        raise OperationalError(SECRET) from psycopg.errors.ConnectionTimeout(SECRET)
    except OperationalError as error:
        errors._log(error, "E-86597166")
    (line,) = lines("TIMEOUT")
    assert (line["what"], line["limit"]) == ("database", "connect")


@pytest.mark.django_db
def test_an_error_page_is_told_by_reference_kind_and_place(lines: Any) -> None:
    try:
        raise OperationalError(SECRET) from psycopg.errors.AdminShutdown(SECRET)
    except OperationalError as error:
        errors._log(error, "E-86597166")
    (line,) = lines("DATABASE_LOST")
    assert line["message"].startswith("E-86597166 OperationalError at compliance/test_slow_queries.py:")
