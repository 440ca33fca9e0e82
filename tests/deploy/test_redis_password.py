"""The queue's password: a file for the server, a file for the services, and nobody without it."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.core.exceptions import ImproperlyConfigured

from clinchat import env
from clinchat.local import redis_server
from tests.deploy.reading import Compose
from tests.processes import until

PASSWORD = "of/the#tests:@?"  # worse than make_secrets ever makes


@pytest.fixture
def port(tmp_path: Path, resolved: Compose) -> Iterator[int]:
    """The server as compose starts it, its configuration as make_secrets writes it."""
    (tmp_path / "redis_config").write_text(f"requirepass {PASSWORD}\n")
    words = resolved["services"]["redis"]["command"]
    assert words[:2] == ["valkey-server", "/run/secrets/redis_config"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
    command = [redis_server._binary(), str(tmp_path / "redis_config"), *words[2:]]
    process = subprocess.Popen([*command, "--port", str(found), "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL)

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", found)) == 0

    try:
        until(listens, "the server does not start")
        yield found
    finally:
        process.terminate()
        process.wait()


def test_nobody_is_served_without_it(port: int) -> None:
    with redis.Redis.from_url(f"redis://127.0.0.1:{port}/0") as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    with redis.Redis.from_url(env.with_password(f"redis://127.0.0.1:{port}/0", PASSWORD)) as client:
        assert client.ping()


def test_celery_reads_the_address_too() -> None:
    from kombu.utils.url import parse_url

    found = parse_url(env.with_password("redis://redis:6379/0", PASSWORD))
    assert (found["hostname"], found["port"], found["password"]) == ("redis", 6379, PASSWORD)


@pytest.mark.parametrize("url", ["redis://:one@redis:6379/0", "unix:///run/redis.sock"])
def test_an_address_it_does_not_fit_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured):
        env.with_password(url, PASSWORD)


def test_a_user_and_tls_stay() -> None:
    assert env.with_password("rediss://clinchat@redis:6380/1", "x") == "rediss://clinchat:x@redis:6380/1"
