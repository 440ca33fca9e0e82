"""`make reset` deletes ClinChat's own folders, and only when asked and nobody uses them."""

from __future__ import annotations

from clinchat.local import Paths, ensure_keys, postgres
from tests.local.processes import Start, User


def test_it_asks_first(place: Paths, start: Start) -> None:
    ensure_keys()
    process = start("-m", "clinchat.local.reset")
    said, _ = process.communicate("\n")
    assert process.returncode == 1
    assert str(place.var) in said
    assert place.keys.exists()


def test_it_leaves_what_is_not_ours(place: Paths, start: Start) -> None:
    ensure_keys()
    (place.var / "mine").write_text("kept")
    process = start("-m", "clinchat.local.reset", "--yes")
    assert process.communicate()[1] == ""
    assert process.returncode == 0
    assert [file.name for file in place.var.iterdir()] == ["mine"]


def test_it_refuses_while_somebody_uses_the_services(place: Paths, start: Start, user: User) -> None:
    active = user()
    process = start("-m", "clinchat.local.reset", "--yes")
    assert process.communicate()[1] == "ClinChat is running. Stop it first.\n"
    assert postgres.postmaster(place)
    active.kill()
    active.wait()
    start("-m", "clinchat.local.reset", "--yes").communicate()
    assert postgres.postmaster(place) is None
    assert not place.var.exists()
