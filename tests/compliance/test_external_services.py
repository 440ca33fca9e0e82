"""Each service of others is really used; one that hangs, refuses or talks nonsense fails, and holds up nobody."""

from __future__ import annotations

import io
import json
import os
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from compliance import deadlines, external_services
from compliance.external_services import Failed, NotConfigured
from compliance.measured import Measured, State
from tests import cast
from tests.chat.test_embedding_endpoint import Server
from tests.compliance.provider import Provider
from tests.training.making_oversight import MailServer, running

pytestmark = pytest.mark.django_db
UNTRUSTED = "its certificate is not one that is trusted here"
SECRET = b"John Smith 123-45-6789"
KNOWN = {
    *("queue", "mail", "directory", "sign-in", "keys", "backups", "syslog"),
    *("embedding", "malware", "learning"),
}


@contextmanager
def answering(reply: bytes | None) -> Iterator[int]:
    """A server that says this to whoever connects, and nothing with None; its port."""
    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        open_ones = []

        def serve() -> None:
            while not stopped.is_set():
                try:
                    one, _ = server.accept()
                except TimeoutError:
                    continue
                except OSError:
                    return
                open_ones.append(one)
                if reply is not None:
                    one.sendall(reply)
                    one.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        stopped.set()
        thread.join()
        for one in open_ones:
            one.close()


@pytest.fixture
def closed() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def place(settings: Any, key: str, port: int) -> None:
    """The service is at this port of this machine."""
    match key:
        case "queue":
            settings.REDIS_URL = f"redis://127.0.0.1:{port}"
        case "mail":
            settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
            settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, 1
            settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
            settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
            settings.MAIL_URL = f"smtp://127.0.0.1:{port}"
        case "directory":
            settings.LDAP_URL, settings.LDAP_BASE = f"ldaps://127.0.0.1:{port}", "dc=test"
            settings.LDAP_BIND_DN, settings.LDAP_BIND_PASSWORD = "cn=clinchat", "a password"
        case "sign-in":
            settings.OIDC_ISSUER = f"https://127.0.0.1:{port}"
        case "keys":
            token = Path(settings.BACKUP_STORES[0]).with_name("token")
            token.write_text("t")
            settings.CLINCHAT_KEYS, settings.VAULT_ADDR = "vault", f"https://127.0.0.1:{port}"
            settings.VAULT_TOKEN_FILE = str(token)
        case "embedding":
            url = f"http://127.0.0.1:{port}/v1"
            known = {"key": "k", "ca_file": "", "query_prefix": "", "passage_prefix": ""}
            settings.EMBEDDING_ENDPOINT = {"url": url, "model": "any", "dimensions": 8, **known}
        case "malware":
            settings.CLAMD = ("127.0.0.1", port)
        case "learning":
            settings.XAPI_URL = f"https://127.0.0.1:{port}/xapi"


PLACED = ["queue", "mail", "directory", "sign-in", "keys", "embedding", "malware", "learning"]


def one(key: str) -> Measured:
    (found,) = external_services.check([key])
    return found


@pytest.fixture(autouse=True)
def stores(settings: Any, tmp_path: Path) -> Path:
    settings.BACKUP_STORES = [str(tmp_path / "backups")]
    return tmp_path / "backups"


# ── What works ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_installation_without_services_of_others_is_well(stores: Path) -> None:
    found = {one.key: one for one in external_services.check()}
    assert set(found) >= KNOWN
    assert {key for key, one in found.items() if one.state != State.ABSENT} == {"queue", "backups"}
    assert found["queue"].state == found["backups"].state == State.OK
    assert [one for one in stores.rglob("*") if one.is_file()] == [], "the probe was left in the store"


def test_mail(settings: Any) -> None:
    server = MailServer()
    with running(server) as address:
        place(settings, "mail", int(address.split(":")[1]))
        assert one("mail").state == State.OK
    assert server.taken == [], "a probe is no message"


def test_the_embedding_model(settings: Any) -> None:
    server = Server()
    place(settings, "embedding", int(server.url.split(":")[2].split("/")[0]))
    try:
        found = one("embedding")
        assert (found.state, found.words.split(",")[0]) == (State.OK, "gives 8 numbers")
        server.size = 9
        assert one("embedding").state == State.FAILED, "vectors of another length are no use"
    finally:
        server.close()


def test_the_malware_scanner(settings: Any) -> None:
    with answering(b"ClamAV 1.4.3/27000/Sat Nov 21 08:00:00 2026\0") as port:
        place(settings, "malware", port)
        found = one("malware")
    assert found.words.startswith("signatures 27000 of 2026-11-21")


def test_the_sign_in_service(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = Provider()
    settings.OIDC_ISSUER = provider.issuer
    monkeypatch.setattr("clinchat.env.is_encrypted", lambda *_: True)
    try:
        assert one("sign-in").state == State.OK
        provider.broken = {"/keys"}
        assert one("sign-in").state == State.FAILED
    finally:
        provider.stop()


def test_the_learning_record_store(settings: Any) -> None:
    def about(version: str) -> bytes:
        body = json.dumps({"version": [version]}).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    for version, state in (("1.0.3", State.OK), ("0.9", State.FAILED)):
        with answering(about(version)) as port:
            settings.XAPI_URL = f"http://127.0.0.1:{port}/xapi"
            assert one("learning").state == state


def test_the_log_server(settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_CHECKPOINT_SYSLOG = ("127.0.0.1", 514)
    assert one("syslog").state == State.OK
    settings.AUDIT_CHECKPOINT_SYSLOG = str(tmp_path / "log")
    assert one("syslog").state == State.FAILED
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "log"))
        assert one("syslog").state == State.OK


def test_a_store_that_cannot_be_written(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    settings.BACKUP_STORES = [*settings.BACKUP_STORES, str(tmp_path / "file")]
    assert one("backups").state == State.FAILED


def test_what_a_killed_probe_left_is_removed(stores: Path) -> None:
    (stores / "probe").mkdir(parents=True)
    for name, age in (("old", 7200), ("new", 60)):
        (stores / "probe" / name).write_text("probe")
        os.utime(stores / "probe" / name, (time.time() - age,) * 2)
    assert one("backups").state == State.OK
    assert [one.name for one in (stores / "probe").iterdir()] == ["new"]


def test_a_store_that_forgets_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from compliance.continuity.storage.folder import Folder

    monkeypatch.setattr(Folder, "list", lambda _self, _prefix="": iter(()))
    found = one("backups")
    assert (found.state, found.words) == (State.FAILED, "what was written is not there")


# ── What does not ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", PLACED)
def test_one_that_refuses(key: str, settings: Any, closed: int) -> None:
    place(settings, key, closed)
    assert one(key).state == State.FAILED


@pytest.mark.parametrize("key", PLACED)
def test_one_that_talks_nonsense(key: str, settings: Any) -> None:
    with answering(b"HTTP/1.1 200 OK\r\n\r\n" + SECRET * 50) as port:
        place(settings, key, port)
        found = one(key)
    assert found.state == State.FAILED
    assert "John" not in found.words


def test_a_silent_mail_server_and_an_absent_queue_are_told_in_plain_words(settings: Any, closed: int) -> None:
    with answering(None) as port:
        place(settings, "mail", port)
        found = one("mail")
    assert found.words == "not reached: it takes connections and does not answer, or no way leads there"
    place(settings, "queue", closed)
    assert one("queue").words == "not reached: nothing runs at that address and port"


def test_those_that_hang_hold_up_nobody(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, service in external_services._services.items():
        monkeypatch.setitem(
            external_services._services, key, external_services._Service(service.name, service.probe, 2.0)
        )
    with answering(None) as port:
        for key in PLACED:
            place(settings, key, port)
        began = time.monotonic()
        found = {one.key: one for one in external_services.check()}
        assert time.monotonic() - began < 2 * len(PLACED), "they were tried one after the other"
    assert {key for key in PLACED if found[key].state != State.FAILED} == set()
    assert found["malware"].words == "no answer within 2 seconds"
    assert found["backups"].state == State.OK, "one that works is not told apart any more"


def broken(error: BaseException) -> Callable[[], str]:
    def probe() -> str:
        raise error

    return probe


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        (NotConfigured(), State.ABSENT, "not configured"),
        (Failed("it sulks"), State.FAILED, "it sulks"),
        (TimeoutError(), State.FAILED, "no answer within 6 seconds"),
        (ConnectionRefusedError(SECRET), State.FAILED, "not reached: nothing runs at that address and port"),
        (socket.gaierror(SECRET), State.FAILED, "not reached: the name of its host is not known"),
        (ssl.SSLCertVerificationError(SECRET), State.FAILED, f"not reached: {UNTRUSTED}"),
        (smtplib.SMTPServerDisconnected(SECRET), State.FAILED, "not reached: it ended the connection"),
        (smtplib.SMTPAuthenticationError(535, SECRET), State.FAILED, "not reached: it refuses our account"),
        (ValueError(SECRET.decode()), State.FAILED, "not reached: ValueError"),
        (SystemExit(SECRET.decode()), State.FAILED, "not reached: SystemExit"),
    ],
)
def test_what_is_said_of_each_failure(
    error: BaseException, state: State, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external_services, "_services", {})
    external_services.register_service("odd", "Odd", broken(error))
    found = one("odd")
    assert (found.state, found.words) == (state, words)


# ── Deadlines ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_piece_has_its_own_time_and_all_begin_at_once() -> None:
    together, over = threading.Barrier(3), threading.Event()

    def work(name: str) -> str:
        together.wait(60)
        return name

    def hangs() -> str:
        together.wait(60)
        over.wait()
        return "slow"

    pieces: dict[str, tuple[float, Callable[[], str]]] = {
        "quick": (60.0, partial(work, "quick")),
        "slow": (0.2, hangs),
        "long": (60.0, partial(work, "long")),
    }
    try:
        found = deadlines.run_all(pieces)
    finally:
        over.set()
    assert (found["quick"], found["long"]) == ("quick", "long")
    assert isinstance(found["slow"], deadlines.DeadlineExceeded)


def test_a_piece_knows_who_asked_and_what_it_raises_comes_back() -> None:
    who: ContextVar[str] = ContextVar("who", default="nobody")
    who.set("alice")

    def fails() -> str:
        raise KeyError("x")

    found = deadlines.run_all({"who": (1.0, who.get), "fails": (1.0, fails)})
    assert found["who"] == "alice"
    assert isinstance(found["fails"], KeyError)


# ── The command and the API ───────────────────────────────────────────────────────────────────────────────────────


def command(*words: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("check_external_services", *words, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def test_the_command(settings: Any, closed: int) -> None:
    code, said = command()
    assert code == 0
    assert "not configured" in said
    place(settings, "malware", closed)
    code, said = command("--json")
    told = json.loads(said)
    assert (code, told["state"]) == (1, "failed")
    assert {one["key"] for one in told["checks"] if one["state"] == "failed"} == {"malware"}


def test_an_operator_sees_all_and_each(client: Client, settings: Any, closed: int) -> None:
    cast.sign_in(client, cast.otto())
    told = client.get("/api/health/services").json()
    names = [one["name"] for one in told["services"]]
    assert told["status"] == "HEALTHY"
    assert {"audit", "database", *KNOWN} <= set(names)
    assert len(names) == len(set(names))
    place(settings, "malware", closed)
    told = client.get("/api/health/services").json()
    assert told["status"] == "DEGRADED"
    assert client.get("/api/health/malware").json()["status"] == "DOWN"
    assert client.get("/api/health/mail").json()["status"] == "NOT_CONFIGURED"
    assert client.get("/api/health/audit").json() == {"name": "audit", "status": "HEALTHY", "says": "works"}
    assert client.get("/api/health/nothing").status_code == 404
    assert client.get("/api/health/system").json()["services"], "the address before it is another"


def test_a_clinician_sees_none(client: Client) -> None:
    cast.sign_in(client, cast.alice())
    assert client.get("/api/health/services").status_code == 403
    assert client.get("/api/health/malware").status_code == 403
