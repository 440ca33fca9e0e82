"""manage.py starts the services for the commands that need them, and stops them after."""

from __future__ import annotations

import pytest

from clinchat.local import Paths, postgres, redis_server
from tests.local.processes import Start


def test_a_command_finds_running_services_and_leaves_none(place: Paths, start: Start) -> None:
    code = (
        "from django.db import connection; from django.conf import settings; import redis\n"
        "connection.ensure_connection(); print(redis.Redis.from_url(settings.REDIS_URL).ping())"
    )
    said, progress = start("manage.py", "shell", "--no-imports", "-c", code).communicate()
    assert (said, progress) == ("True\n", "Bringing the tables up to date\n")
    assert start("manage.py", "shell", "--no-imports", "-c", code).communicate() == ("True\n", "")
    assert postgres.postmaster(place) is None
    assert not redis_server.listens(place)


def test_a_command_works_on_a_machine_where_nothing_ever_ran(place: Paths, start: Start) -> None:
    process = start("manage.py", "ask", "Is warfarin in the library?")
    _, told = process.communicate()
    assert process.returncode == 1
    assert told.splitlines()[-1].startswith("CommandError: The knowledge base is empty. Load documents first")


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
