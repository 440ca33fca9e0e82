"""manage.py starts the services for the commands that need them, and stops them after."""

from __future__ import annotations

import pytest

from clinchat.local import Paths, postgres, redis_server
from tests.local.processes import Start


def test_a_command_works_where_nothing_ever_ran_and_the_next_finds_the_tables(place: Paths, start: Start) -> None:
    """Both stop the services after them. One test, because the tables are made but once: that takes ten seconds."""
    first = start("manage.py", "ask", "Is warfarin in the library?")
    said, told = first.communicate()
    assert (first.returncode, said) == (1, "")
    lines = [line for line in told.splitlines() if not line.startswith("{")]
    assert lines[0] == "Bringing the tables up to date"
    assert lines[-1].startswith("CommandError: The knowledge base is empty. Load documents first")
    assert postgres.postmaster(place) is None
    code = (
        "from django.db import connection; from django.conf import settings; import redis\n"
        "connection.ensure_connection(); print(redis.Redis.from_url(settings.REDIS_URL).ping())"
    )
    assert start("manage.py", "shell", "--no-imports", "-c", code).communicate() == ("True\n", "")
    assert postgres.postmaster(place) is None
    assert not redis_server.listens(place)


@pytest.mark.parametrize("words", [["help"], ["migrate", "--help"], ["version"]])
def test_asking_for_help_starts_nothing(place: Paths, start: Start, words: list[str]) -> None:
    process = start("manage.py", *words)
    process.communicate()
    assert process.returncode == 0
    assert not place.run.exists()


def test_a_refusal_is_one_line(place: Paths, start: Start) -> None:
    place.var.mkdir()
    place.run.write_text("a file where the folder should be")
    process = start("manage.py", "migrate")
    said, line = process.communicate()
    assert (process.returncode, said) == (1, "")
    assert line.count("\n") == 1
    assert str(place.run) in line


def test_a_wrong_setting_is_one_line(place: Paths, start: Start) -> None:
    said, told = start("manage.py", "check", CLINCHAT_BACKUPS="relative").communicate()
    assert said == ""
    assert told.startswith("A setting keeps ClinChat from starting: CLINCHAT_BACKUPS must be folders")
    assert told.count("\n") == 1
