"""What the embedded services will not touch, each with one line that says why and what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clinchat.local import LocalError, Paths, ensure_services, folders, postgres

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other accounts")


def refusal() -> str:
    with pytest.raises(LocalError) as raised:
        ensure_services()
    line = str(raised.value)
    assert "\n" not in line
    return line


def data_folder(place: Paths, *, version: str = "18") -> Path:
    (place.pgdata / "global").mkdir(parents=True)
    (place.pgdata / "PG_VERSION").write_text(f"{version}\n")
    (place.pgdata / "global" / "pg_control").write_bytes(b"")
    account = postgres._account(place)
    os.chown(place.pgdata, account.uid, account.gid)
    return place.pgdata


def test_the_data_of_another_version(place: Paths) -> None:
    data = data_folder(place, version="16")
    place.var.chmod(0o755)
    line = refusal()
    assert "PostgreSQL 16" in line
    assert str(data) in line


def test_an_incomplete_data_folder_is_left_alone(place: Paths) -> None:
    data = data_folder(place)
    (data / "global" / "pg_control").unlink()
    assert f"{data} is not a complete" in refusal()
    assert (data / "PG_VERSION").exists()


@root_only
def test_the_data_of_somebody_else(place: Paths) -> None:
    data = data_folder(place)
    os.chown(data, 54321, 54321)
    line = refusal()
    assert f"{data} belongs to user 54321" in line
    assert "chown -R" in line


@root_only
def test_a_folder_of_somebody_else(place: Paths) -> None:
    place.run.mkdir(parents=True)
    os.chown(place.run, 54321, 54321)
    assert f"{place.run} belongs to user 54321; you are root" in refusal()


@root_only
def test_a_link_that_somebody_else_made(place: Paths) -> None:
    """In /tmp anybody can put a link there that leads to a folder of ours."""
    ours = place.var / "ours"
    ours.mkdir(parents=True)
    place.run.parent.mkdir(parents=True, exist_ok=True)
    place.run.symlink_to(ours)
    os.lchown(place.run, 54321, 54321)
    assert f"{place.run} belongs to user 54321; you are root" in refusal()


@root_only
def test_a_folder_the_database_account_cannot_enter(place: Paths) -> None:
    place.var.parent.chmod(0o700)
    line = refusal()
    assert f"cannot enter {place.var.parent}. " in line
    assert "/opt/clinchat" in line
    assert not place.pgdata.exists()


def test_too_little_room_for_a_first_start(place: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "MINIMUM_FREE", 2**60)
    line = refusal()
    assert f"MB are free in {place.var}" in line
    assert not place.pgdata.exists()


def test_a_full_disk(place: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "LEAST_FREE", 2**60)
    assert f"MB free in {place.var}" in refusal()


def test_a_server_that_fails_says_why_in_one_line(place: Paths) -> None:
    data_folder(place)  # it looks like a data folder, and its control file is empty
    line = refusal()
    assert line.startswith("PostgreSQL did not start: ")
    assert str(place.log / "postgres.log") in line
