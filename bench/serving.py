"""A web server as deployed in front of a scratch database, people who are signed in, and requests to it."""

from __future__ import annotations

import http.client
import multiprocessing
import os
import signal
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection, connections
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_static.models import StaticDevice

from clinchat.lib import clock
from compliance.access import Role
from compliance.access.session_store import SessionStore
from compliance.access.sessions import PROVED_AT
from compliance.audit import lane
from compliance.models import Clearance, RoleAssignment, User

WORKERS, THREADS = 2, 256
"""More than the 64 as deployed: a stream costs a thread, and one of two workers may be given most of them."""
SIZE = f"{WORKERS} x {THREADS} threads"
HOST = "127.0.0.1"
_fork = multiprocessing.get_context("fork")


def people(count: int, role: Role = Role.CLINICIAN) -> list[User]:
    """So many cleared people with a second factor."""
    now, tag = clock.now(), uuid.uuid4().hex[:8]
    people = User.objects.bulk_create(User(email=f"{tag}.{n}@bench.test", name=f"Person {n}") for n in range(count))
    RoleAssignment.objects.bulk_create(RoleAssignment(user=person, role=role) for person in people)
    ends = now + timedelta(days=1)
    Clearance.objects.bulk_create(Clearance(user=p, granted_at=now, expires_at=ends, reason="Bench") for p in people)
    StaticDevice.objects.bulk_create(StaticDevice(user=person, name="Bench", confirmed=True) for person in people)
    return people


def sign_in(person: User) -> str:
    """The key of a new session of theirs."""
    store = SessionStore()
    store[SESSION_KEY] = str(person.pk)
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = person.get_session_auth_hash()
    store[DEVICE_ID_SESSION_KEY] = StaticDevice.objects.get(user=person).persistent_id
    store[PROVED_AT] = time.time()
    store.save()
    return str(store.session_key)


def ask(port: int, method: str, path: str, cookie: str, body: str = "") -> tuple[int, dict[str, str], str]:
    link = http.client.HTTPConnection(HOST, port, timeout=60)
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    link.request(method, path, body=body or None, headers=headers)
    answer = link.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read().decode()
    link.close()
    return found


@contextmanager
def server() -> Iterator[int]:
    """gunicorn as deployed, with threads enough for the streams, in front of this process's database."""
    with socket.create_server((HOST, 0)) as free:
        port = int(free.getsockname()[1])
    lane.close()
    connections.close_all()
    process = _fork.Process(target=_serve, args=(port,))
    process.start()
    try:
        for _ in range(200):
            try:
                if ask(port, "GET", "/api/health", "")[0] == 200:
                    break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        if process.pid:
            os.kill(process.pid, signal.SIGQUIT)
        process.join(30)


def _serve(port: int) -> None:
    from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]  # gunicorn ships no types

    class Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
        def load_config(self) -> None:
            given = {"bind": f"{HOST}:{port}", "worker_class": "gthread", "workers": WORKERS, "threads": THREADS}
            for name, value in {**given, "loglevel": "critical", "control_socket_disable": True}.items():
                self.cfg.set(name, value)

        def load(self) -> WSGIHandler:
            return WSGIHandler()

    connection.settings_dict["CONN_MAX_AGE"] = 0  # so many idle threads would keep more than PostgreSQL allows
    Server().run()
