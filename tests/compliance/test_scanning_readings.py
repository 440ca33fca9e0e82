"""What each tool prints is read as it printed it; without the seeded fault in it nothing of it counts."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from compliance import scanning
from compliance.scanning import advisories, bandit, containers, detect_secrets, sbom, semgrep
from compliance.scanning.detect_secrets import Review
from compliance.scanning.semgrep import Rule
from compliance.scanning.types import Finding, NotProved, Unusable
from tests.compliance import scratch_tree

SEED = Path("/tmp/seeded.py")


def printed(said: Any) -> bytes:
    return json.dumps(said).encode()


# bandit 1.9.4


def of_bandit(*results: tuple[str, str], errors: int = 0, read: tuple[str, ...] = ("./clinchat/one.py",)) -> bytes:
    """Shortened from what it printed of this repository."""
    shape = {
        "code": '61  subprocess.run(invented, shell=True)\n', "col_offset": 11, "issue_confidence": "MEDIUM",
        "issue_severity": "MEDIUM", "issue_text": "Possible SQL injection", "line_number": 61,
        "test_name": "hardcoded_sql_expressions",
    }  # fmt: skip
    return printed(
        {
            "errors": [{"filename": "./clinchat/one.py", "reason": "syntax error while parsing AST"}] * errors,
            "generated_at": "2026-11-22T12:58:05Z",
            "metrics": {"_totals": {"loc": 7, "nosec": 0}, **{name: {"loc": 3} for name in (*read, str(SEED))}},
            "results": [{**shape, "filename": file, "test_id": test} for file, test in results],
        }
    )


def test_bandit() -> None:
    given = [Path("clinchat/one.py")]
    assert bandit.read(of_bandit((str(SEED), "B602")), given, SEED) == []
    found = bandit.read(of_bandit((str(SEED), "B602"), ("./clinchat/one.py", "B608")), given, SEED)
    assert found == [Finding("bandit", "B608", "medium", "clinchat/one.py:61", "Hardcoded sql expressions.")]


def test_bandit_without_the_seed() -> None:
    for said in (of_bandit(), of_bandit((str(SEED), "B404")), of_bandit(("./clinchat/one.py", "B602"))):
        with pytest.raises(NotProved):
            bandit.read(said, [Path("clinchat/one.py")], SEED)


def test_bandit_that_did_not_read_everything() -> None:
    given = [Path("clinchat/one.py"), Path("clinchat/two.py")]
    with pytest.raises(Unusable, match="did not read 1 of 3 files"):
        bandit.read(of_bandit((str(SEED), "B602")), given, SEED)
    with pytest.raises(Unusable, match="could not read 2 files"):
        bandit.read(of_bandit((str(SEED), "B602"), errors=2), given[:1], SEED)


# semgrep 1.182

RULES = [Rule("debug-on", "Never.", "critical", ".py", "DEBUG = True\n", "DEBUG = False\n")]
SAMPLES = [Path("/tmp/samples/debug-on/bad.py"), Path("/tmp/samples/debug-on/good.py")]


def of_semgrep(*places: str, errors: tuple[Any, ...] = (), left_out: str = "") -> bytes:
    read = ["clinchat/one.py", *map(str, SAMPLES)]
    shape = {"check_id": "compliance.scanning.rules.debug-on", "start": {"line": 4, "col": 1}, "extra": {"lines": "x"}}
    return printed(
        {
            "version": "1.182.0",
            "results": [{**shape, "path": place} for place in places],
            "errors": list(errors),
            "paths": {"scanned": [name for name in read if name != left_out]},
        }
    )


def test_semgrep() -> None:
    bad, given = str(SAMPLES[0]), [Path("clinchat/one.py")]
    assert semgrep.read(of_semgrep(bad), given, SAMPLES, RULES) == []
    found = semgrep.read(of_semgrep(bad, "clinchat/one.py", "clinchat/one.py"), given, SAMPLES, RULES)
    assert found == [Finding("semgrep", "debug-on", "critical", "clinchat/one.py:4", "Never.")]


def test_semgrep_without_each_seed() -> None:
    with pytest.raises(NotProved):
        semgrep.read(of_semgrep("clinchat/one.py"), [Path("clinchat/one.py")], SAMPLES, RULES)


def test_semgrep_with_a_rule_that_cries_wolf() -> None:
    with pytest.raises(Unusable, match="debug-on speaks on its own good sample"):
        semgrep.read(of_semgrep(*map(str, SAMPLES)), [], SAMPLES, RULES)


def test_semgrep_that_did_not_read_everything() -> None:
    bad, given = str(SAMPLES[0]), [Path("clinchat/one.py")]
    with pytest.raises(Unusable, match="did not read 1 of 3 files"):
        semgrep.read(of_semgrep(bad, left_out="clinchat/one.py"), given, SAMPLES, RULES)
    syntax = {"code": 3, "level": "warn", "type": "Syntax error", "path": "clinchat/one.py"}
    with pytest.raises(Unusable, match="could not read 1 files or rules"):
        semgrep.read(of_semgrep(bad, errors=(syntax,)), given, SAMPLES, RULES)


# detect-secrets 1.5

SEEDS = {Path("seeded/seeded.py"): "AWS Access Key", Path("seeded/seeded.pem"): "Private Key"}


def of_secrets(*ours: tuple[str, str, str], seeds: dict[Path, str] = SEEDS) -> bytes:
    said = [(path.as_posix(), kind, "00" * 20) for path, kind in seeds.items()] + list(ours)
    results: dict[str, list[Any]] = {}
    for path, kind, digest in said:
        one = {"type": kind, "filename": path, "hashed_secret": digest, "is_verified": False, "line_number": 8}
        results.setdefault(path, []).append(one)
    return printed({"version": "1.5.0", "results": results})


def test_detect_secrets() -> None:
    entropy = ("docs/api.md", "Hex High Entropy String", "abcdef1234")
    key = ("docs/api.md", "AWS Access Key", "5678abcdef")
    found, idle = detect_secrets.read(of_secrets(entropy, key), SEEDS, [])
    assert [(one.rule, one.severity, one.place) for one in found] == [
        ("hex-high-entropy-string", "medium", "docs/api.md:8"),
        ("aws-access-key", "critical", "docs/api.md:8"),
    ]
    assert idle == []


def test_a_review_covers_its_file_kind_and_hash_alone() -> None:
    entropy = ("docs/api.md", "Hex High Entropy String", "abcdef1234")
    covers = Review(*entropy[:2], "a digest", frozenset({"abcdef12"}))
    any_of_kind = Review(*entropy[:2], "digests", frozenset())
    for review in (covers, any_of_kind):
        assert detect_secrets.read(of_secrets(entropy), SEEDS, [review]) == ([], [])
    for other in (
        Review("docs/other.md", entropy[1], "x", frozenset()),
        Review(entropy[0], "Secret Keyword", "x", frozenset()),
        Review(*entropy[:2], "x", frozenset({"00000000"})),
    ):
        found, idle = detect_secrets.read(of_secrets(entropy), SEEDS, [other])
        assert (len(found), idle) == (1, [other])


def test_detect_secrets_without_each_seed() -> None:
    for missing in SEEDS:
        fewer = {path: kind for path, kind in SEEDS.items() if path != missing}
        with pytest.raises(NotProved):
            detect_secrets.read(of_secrets(seeds=fewer), SEEDS, [])


def test_seeded_secrets_are_new_each_time(tmp_path: Path) -> None:
    texts = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        detect_secrets.write_seeds(tmp_path / name)
        texts.append((tmp_path / name / "seeded/seeded.py").read_text())
    assert texts[0] != texts[1]


# cyclonedx-bom 7.5


def of_cyclonedx(*packages: tuple[str, str]) -> bytes:
    parts = [{"bom-ref": f"{n}=={v}", "name": n, "version": v, "type": "library"} for n, v in packages]
    needs = [{"ref": part["bom-ref"]} for part in parts]
    return printed(
        {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {}, "components": parts, "dependencies": needs}
    )


def test_the_bill_lists_what_is_installed_without_the_seed() -> None:
    have = {"django": ["5.2.19"], "authlib": ["1.9.9"]}
    bill = sbom.read(of_cyclonedx(("Authlib", "1.9.9"), sbom.SEED, ("Django", "5.2.19")), have)
    assert [one["name"] for one in bill["components"]] == ["Authlib", "Django"]
    assert [one["ref"] for one in bill["dependencies"]] == ["Authlib==1.9.9", "Django==5.2.19"]
    with pytest.raises(NotProved):
        sbom.read(of_cyclonedx(("Authlib", "1.9.9"), ("Django", "5.2.19")), have)
    for wrong in ((("Django", "5.2.19"),), (("Authlib", "1.9.8"), ("Django", "5.2.19"))):
        with pytest.raises(Unusable, match="does not list what is installed"):
            sbom.read(of_cyclonedx(sbom.SEED, *wrong), have)


# pip-audit 2.10

VULNERABLE = advisories.SEEDS[0]
CLEAN = {"name": "django", "version": "5.2.19", "vulns": []}
REPORTED = {
    "name": VULNERABLE[0], "version": VULNERABLE[1],
    "vulns": [{"id": "PYSEC-2018-19", "fix_versions": ["1.17.6"], "aliases": ["CVE-2018-7750"], "description": "…"}],
}  # fmt: skip
SKIPPED = {"name": "django", "skip_reason": "Dependency not found on PyPI and could not be audited: django (5.2.19)"}


def of_pip_audit(*answers: Any) -> bytes:
    return printed({"dependencies": answers, "fixes": []})


def test_pip_audit() -> None:
    asked = {"django": "5.2.19"}
    assert advisories.read(of_pip_audit(CLEAN, REPORTED), asked, VULNERABLE) == []
    told = {"id": "PYSEC-2026-1", "fix_versions": ["5.2.20", "6.0.1"], "description": "<b>words of others</b>"}
    found = advisories.read(of_pip_audit({**CLEAN, "vulns": [told]}, REPORTED), asked, VULNERABLE)
    title = "Published advisory; fixed in: 5.2.20, 6.0.1."
    assert found == [Finding("pip-audit", "PYSEC-2026-1", "high", "django==5.2.19", title)]


def test_pip_audit_offline_is_not_believed() -> None:
    """What it printed here without a way to the advisories, with exit code 0."""
    asked = {"django": "5.2.19"}
    for said in (
        of_pip_audit(SKIPPED, {**SKIPPED, "name": VULNERABLE[0]}),
        of_pip_audit(CLEAN, {**REPORTED, "vulns": []}),
        of_pip_audit(CLEAN),
        b"",
    ):
        with pytest.raises(Unusable, match=advisories.UNREACHABLE):
            advisories.read(said, asked, VULNERABLE)
    with pytest.raises(Unusable, match="1 of 1 packages could not be looked up"):
        advisories.read(of_pip_audit(SKIPPED, REPORTED), asked, VULNERABLE)


def test_offline_only_the_seed_is_asked_for(tmp_path: Path) -> None:
    tree = scratch_tree.make(tmp_path)
    skipped = {"name": VULNERABLE[0], "skip_reason": "Dependency not found on PyPI and could not be audited"}
    body = f"""
        open({str(tree / "asked")!r}, "a").write(open(words[-1]).read())
        say({{"dependencies": [{skipped!r}]}})
    """
    scratch_tree.install_python(tree, "pip-audit", body)
    scan = scanning.SCANNERS["pip-audit"](tree)
    assert (scan.state, scan.reason) == ("error", "the advisory source could not be reached")
    assert set((tree / "asked").read_text().split()) == {"==".join(VULNERABLE)}


def test_online_the_lock_is_asked_for_beside_the_seed(tmp_path: Path) -> None:
    tree = scratch_tree.make(tmp_path)
    body = f"""
        asked = dict(line.split("==") for line in open(words[-1]).read().split())
        reported = {REPORTED!r}
        answers = [{{"name": n, "version": v, "vulns": []}} for n, v in asked.items() if n != reported["name"]]
        say({{"dependencies": [*answers, reported]}})
    """
    scratch_tree.install_python(tree, "pip-audit", body)
    scan = scanning.SCANNERS["pip-audit"](tree)
    assert (scan.state, scan.proved, scan.version) == ("clean", True, "2.10.1")
    assert scan.source == "the advisories of PyPI, for requirements/prod.txt"
    assert isinstance(scan.source_date, date)


# hadolint 2.15 and our rules for compose.yaml


def test_hadolint() -> None:
    seed = Path("/tmp/Dockerfile")
    shape = {"column": 1, "file": str(seed), "line": 1, "message": "Using latest is prone to errors"}
    seeded = [{**shape, "code": "DL3007", "level": "warning"}, {**shape, "code": "DL3004", "level": "error"}]
    ours = {**shape, "code": "DL3008", "level": "info", "file": "deploy/Dockerfile", "line": 9, "message": "Pin it"}
    assert containers.dockerfile(printed(seeded), seed) == []
    found = containers.dockerfile(printed([ours, *seeded]), seed)
    assert found == [Finding("containers", "DL3008", "low", "deploy/Dockerfile:9", "Pin it")]
    for fewer in ([ours], seeded[:1], seeded[1:]):
        with pytest.raises(NotProved):
            containers.dockerfile(printed(fewer), seed)


GOOD = """
services:
  proxy: &confined
    image: ${IMAGE:-registry.example:5000/proxy:1.2.3}
    user: "101:101"
    ports: ["443:8443"]
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    mem_limit: 1g
    environment: {PASSWORD_FILE: /run/secrets/p, API_KEY: "${API_KEY}", URL: "postgresql://clinchat@db/clinchat"}
"""


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("    privileged: true", "compose-privileged"),
        ('    devices: ["/dev/sda:/dev/sda"]', "compose-privileged"),
        ('    volumes: ["/run/docker.sock:/run/docker.sock"]', "compose-engine-socket"),
        ("    pid: host", "compose-host-namespace"),
        ('    user: "0:0"', "compose-root"),
        ("    cap_add: [NET_ADMIN]", "compose-capabilities"),
        ("    cap_drop: [NET_RAW]", "compose-capabilities"),
        ("    read_only: false", "compose-writable-root"),
        ("    security_opt: []", "compose-new-privileges"),
        ("    image: nginx:latest", "compose-image-tag"),
        ("    image: registry.example:5000/nginx", "compose-image-tag"),
        ('    environment: ["ADMIN_PASSWORD=invented"]', "compose-secret-in-environment"),
        ("    environment: {URL: 'redis://:invented@redis/0'}", "compose-secret-in-environment"),
    ],
)
def test_each_rule_for_compose(line: str, rule: str) -> None:
    key = line.partition(":")[0] + ":"
    kept = "\n".join(one for one in GOOD.splitlines() if not one.startswith(key))
    found = containers.compose(f"{kept}\n{line}\n", Path("compose.yaml"))
    assert [(one.rule, one.place) for one in found] == [(rule, "compose.yaml:3")]


def test_a_confined_service_has_no_finding() -> None:
    assert containers.compose(GOOD, Path("compose.yaml")) == []
    other = containers.compose(GOOD.replace("proxy:", "web:", 1), Path("compose.yaml"))
    assert [one.rule for one in other] == ["compose-published"]
