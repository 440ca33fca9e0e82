"""The compose file holds what operations.md and the threat model say of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from clinchat import __version__
from clinchat.lib.queues import Queues
from tests.deploy.reading import ROOT, Compose, compose

SECRET = re.compile(r"PASSWORD|SECRET|KEY|TOKEN|CREDENTIAL")
RUNS_ONCE = {"migrate"}
APP = {"web", "worker", "batch", "sealer", "beat", "migrate", "keeper", "wal"}
KEEPERS = {"keeper", "wal"}


def test_the_example_is_enough() -> None:
    done = compose("--env-file", str(ROOT / "deploy" / "compose.env.example"), "config", "-q")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["CLINCHAT_HOSTS", "SECRETS"])
def test_what_has_no_default_is_asked_for(name: str) -> None:
    given = {"CLINCHAT_HOSTS": "clinchat.example", "SECRETS": "/etc/clinchat"}
    done = compose("config", "-q", env={key: value for key, value in given.items() if key != name})
    assert done.returncode != 0
    assert name in done.stderr


def test_only_the_proxy_is_reached_from_outside(resolved: Compose) -> None:
    services = resolved["services"]
    assert {name for name, service in services.items() if service.get("ports")} == {"proxy"}
    assert {port["target"] for port in services["proxy"]["ports"]} == {8080, 8443}
    outward = {name for name, network in resolved["networks"].items() if not network.get("internal")}
    assert outward == {"edge"}
    assert {name for name, service in services.items() if "edge" in service["networks"]} == {"proxy"}
    assert not any("network_mode" in service for service in services.values())


def test_who_can_reach_whom(resolved: Compose) -> None:
    joined = {name: set(service["networks"]) for name, service in resolved["services"].items()}
    assert joined["proxy"] == {"edge", "pages"}
    assert joined["db"] == {"data"}
    assert joined["redis"] == {"queue"}
    assert {name for name, networks in joined.items() if "data" in networks} == {
        "db",
        "web",
        "worker",
        "batch",
        "sealer",
        "migrate",
        *KEEPERS,
    }
    assert {name for name, networks in joined.items() if "queue" in networks} == {
        "redis",
        "web",
        "worker",
        "batch",
        "sealer",
        "beat",
        *KEEPERS,
    }


def test_every_service_is_confined(resolved: Compose) -> None:
    for name, service in resolved["services"].items():
        uid = re.match(r"[1-9][0-9]*", service.get("user", ""))
        assert uid, f"{name} may run as root"
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"cap_add", "privileged", "devices"} & set(service), name
        assert int(service["mem_limit"]) > 0, name
        assert service["restart"] == ("on-failure:3" if name in RUNS_ONCE else "unless-stopped"), name
        assert all(mount["type"] == "volume" or mount["read_only"] for mount in service.get("volumes", [])), name


def test_every_lasting_service_says_how_it_is(resolved: Compose) -> None:
    for name, service in resolved["services"].items():
        assert service["healthcheck"].get("disable", False) is (name in RUNS_ONCE), name
        for needed, terms in service.get("depends_on", {}).items():
            once = needed in RUNS_ONCE
            assert terms["condition"] == ("service_completed_successfully" if once else "service_healthy"), name


def test_the_image_runs_as_the_account_that_owns_its_secrets(resolved: Compose) -> None:
    user = re.search(r"^USER (\d+:\d+)$", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE)
    assert user
    made = (ROOT / "deploy/make_secrets.py").read_text()
    for name in APP:
        service = resolved["services"][name]
        assert service["user"] == user[1], name
        assert service["image"] == f"clinchat{'-keeper' if name in KEEPERS else ''}:{__version__}", name
    database = resolved["services"]["db"]["user"].partition(":")[0]
    assert f"APP, POSTGRES = {user[1].partition(':')[0]}, {database}" in made
    assert f"REDIS = {resolved['services']['redis']['user'].partition(':')[0]}\n" in made


def test_other_images_are_pinned_to_a_full_version(resolved: Compose) -> None:
    images = {service["image"] for name, service in resolved["services"].items() if name not in APP}
    assert len(images) == 3
    for image in images:
        assert re.search(r":\d+\.\d+\.\d+", image), image


def test_secrets_are_files(resolved: Compose) -> None:
    files = resolved["secrets"]
    for name, secret in files.items():
        assert set(secret) <= {"name", "file"}, name
        assert Path(secret["file"]).parent == Path("/etc/clinchat"), name
    used = {mount["source"] for service in resolved["services"].values() for mount in service.get("secrets", [])}
    assert used == set(files)
    for service, name, value in _environment(resolved):
        where = f"{service}: {name}"
        if SECRET.search(name):
            assert name.endswith("_FILE"), where
            mounted = {mount["target"] for mount in resolved["services"][service]["secrets"]}
            assert value in mounted, f"{where} names a file the service does not have"
        assert urlsplit(value).password is None, where


def test_the_keys_are_where_they_are_needed(resolved: Compose) -> None:
    holders: dict[str, set[str]] = {}
    for name, service in resolved["services"].items():
        for mount in service.get("secrets", []):
            holders.setdefault(mount["source"], set()).add(name)
    assert holders["tls_key"] == {"proxy"}
    assert holders["database_admin_password"] == {"db"}
    assert holders["sealing_key"] == holders["index_key"] == holders["certificate_key"] == APP
    assert holders["redis_password"] == APP
    assert holders["redis_config"] == {"redis"}
    assert holders["pgpass"] == APP - {"beat", "migrate"}
    assert holders["pgpass_owner"] == {"migrate"} | KEEPERS
    assert holders["backup_key"] == KEEPERS
    assert holders["database_owner_password"] == {"db"}
    assert holders["audit_signing_key"] == {"sealer"}
    assert holders["audit_public_keys"] == {"web", "batch", "sealer"} | KEEPERS


def test_only_migrate_and_the_keepers_can_be_the_owner(resolved: Compose) -> None:
    roles = {name: urlsplit(value).username for name, key, value in _environment(resolved) if key == "DATABASE_URL"}
    assert set(roles) == APP
    assert {name for name, role in roles.items() if role != "clinchat"} == {"migrate"}
    assert roles["migrate"] == "clinchat_owner"
    owners = {name for name, key, value in _environment(resolved) if key == "CLINCHAT_OWNER_DATABASE_URL" and value}
    assert owners == KEEPERS


def test_checkpoints_are_written_by_the_sealer_alone(resolved: Compose) -> None:
    mounts = {
        name: mount
        for name, service in resolved["services"].items()
        for mount in service.get("volumes", [])
        if mount["target"] == "/checkpoints"
    }
    assert set(mounts) == {"web", "batch", "sealer"} | KEEPERS
    assert {name for name, mount in mounts.items() if not mount.get("read_only")} == {"sealer"}
    assert {mount["source"] for mount in mounts.values()} == {"checkpoints"}
    for name in mounts:
        environment = resolved["services"][name]["environment"]
        assert Path(environment["AUDIT_CHECKPOINT_FILES"]).parent == Path("/checkpoints")
    assert "--mode 0700 /checkpoints" in (ROOT / "deploy/Dockerfile").read_text()


def test_checkpoints_can_go_to_a_folder_of_another_machine() -> None:
    given = {"CLINCHAT_HOSTS": "clinchat.example", "SECRETS": "/etc/clinchat", "CHECKPOINTS": "/mnt/elsewhere"}
    done = compose("config", "--format", "json", env=given)
    mounted = json.loads(done.stdout)["services"]["sealer"]["volumes"]
    assert ("/mnt/elsewhere", "/checkpoints") in [(mount["source"], mount["target"]) for mount in mounted]


def test_one_proxy_is_believed(resolved: Compose) -> None:
    assert {value for _, name, value in _environment(resolved) if name == "CLINCHAT_PROXIES"} == {"1"}
    said = (ROOT / "deploy/nginx.conf").read_text()
    assert re.findall(r"X-Forwarded-For (\S+);", said) == ["$remote_addr"]


def test_every_queue_has_a_worker(resolved: Compose) -> None:
    served: dict[str, list[str]] = {}
    for name, service in resolved["services"].items():
        words = service.get("command") or []
        for queue in words[words.index("-Q") + 1].split(",") if "-Q" in words else []:
            served.setdefault(queue, []).append(name)
    assert set(served) == set(Queues)
    assert served[Queues.ANSWERS] == ["worker"], "nothing slow may share the workers that clinicians wait for"
    assert served[Queues.SEALING] == ["sealer"]


def test_one_beat(resolved: Compose) -> None:
    beats = [name for name, service in resolved["services"].items() if "beat" in (service.get("command") or [])]
    assert beats == ["beat"]


def test_the_workers_are_those_of_make_run(resolved: Compose) -> None:
    launcher = (ROOT / "clinchat/local/__main__.py").read_text()
    for name in ("worker", "batch", "sealer"):
        words = resolved["services"][name]["command"]
        options = [word for word in words if word.startswith("--")]
        assert len(options) >= 5
        for option in options:
            assert f'"{option}"' in launcher, f"{name} is started with {option} here only"


def _environment(resolved: Compose) -> list[tuple[str, str, str]]:
    found = [
        (name, key, value)
        for name, service in resolved["services"].items()
        for key, value in (service.get("environment") or {}).items()
    ]
    assert len(found) > 20
    return found
