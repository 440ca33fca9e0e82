"""Two database roles: the one ClinChat runs as can add to the audit trail and read it, and no more."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import errors, sql

from clinchat import local
from clinchat.local import cluster, ensure_keys

ROOT = Path(__file__).parents[2]
OWNER, APP, OTHER, EMPTY = "test_two_owner", "test_two_roles", "test_two_upgraded", "test_two_template"
"""The second and third are databases as well, each with an application role of the same name."""
TRAIL = ("compliance_auditevent", "compliance_seal", "compliance_sealedevent")
DOCUMENT = """---
id: contrast-metformin
title: Contrast media and metformin
source: written for this test
url: https://clinchat.example/
licence: Apache-2.0
---
Metformin is held for 48 hours after intra-arterial contrast media in patients with an eGFR below 30 mL/min.
"""
USE = """
from django.core.management import call_command

call_command("ingest", {document!r}, "--collection", "guidelines", "--name", "Guidelines")
call_command("reindex")
call_command("ask", "How long is metformin held after contrast media?", "--json")
"""
PROGRAM = """
import json
from datetime import date
from compliance import audit
from compliance.audit import Code, Crude, guards, partitions, retention, seal
from compliance.models import AuditEvent, RoleAssignment, User
from django.db import connection

person = User.objects.create_user(email="roles@clinchat.example", password=None, name="Rosa Roles")
User.objects.filter(pk=person.pk).update(department="Cardiology")
audit.record(code=Code.SENSITIVE_READ, action=Crude.READ, actor=person)
partitions.ensure()
with connection.cursor() as cursor:
    cursor.execute("SELECT compliance_audit_add_month('2031-05-20'), compliance_audit_add_month('2009-02-03')")
other = User.objects.create_user(email="other@clinchat.example", password=None, name="Otto Other")
purge = retention.request(before=date(2010, 1, 1), reason="test", actor=person)
retention.approve(purge_id=purge.pk, actor=other)
sealed = seal.seal_all()
print(json.dumps({
    "sealed": sealed,
    "conditions": seal.state().conditions,
    "purged": AuditEvent.objects.get(object_type="compliance.AuditEvent", code="sensitive_delete").detail["months"],
    "events": list(AuditEvent.objects.filter(object_id=str(person.pk)).values_list("code", flat=True)),
    "weaknesses": list(guards.weaknesses()),
    "warnings": guards.warnings(),
}))
"""


@dataclass(frozen=True)
class Installation:
    """A database with its two roles, made by the file that compose gives to PostgreSQL."""

    name: str
    folder: Path

    def connect(self, role: str) -> psycopg.Connection:
        return psycopg.connect(host=str(local.paths().pg_socket_dir), dbname=self.name, user=role, autocommit=True)

    def manage(self, role: str, *words: str) -> subprocess.CompletedProcess[str]:
        keys = local.paths().keys
        env = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": f"postgresql:///{self.name}?host={local.paths().pg_socket_dir}&user={role}&sslmode=disable",
            "REDIS_URL": local.redis_url(),
            "CLINCHAT_HOSTS": "clinchat.example",
            "SECRET_KEY_FILE": str(keys / "secret_key"),
            "SEALING_KEY_FILE": str(keys / "sealing_key"),
            "INDEX_KEY_FILE": str(keys / "index_key"),
            "CERTIFICATE_KEY_FILE": str(keys / "certificate_key"),
            "BACKUP_KEY_FILE": str(keys / "backup_key"),
            "AUDIT_SIGNING_KEY_FILE": str(keys / "audit_signing_key"),
            "AUDIT_PUBLIC_KEYS_FILE": str(keys / "audit_public_keys"),
            "AUDIT_CHECKPOINT_FILES": str(self.folder / f"{self.name}.jsonl"),
        }
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    def make_roles(self) -> None:
        """Run deploy/postgres-init.sql under our names, with passwords from a folder of ours."""
        text = (ROOT / "deploy" / "postgres-init.sql").read_text()
        text = re.sub(r"\bclinchat_owner\b", OWNER, text).replace("clinchat_template", EMPTY)
        text = re.sub(r"\bclinchat\b", self.name, text).replace("/run/secrets", str(self.folder))
        for name in ("database_owner_password", "database_password"):
            (self.folder / name).write_text("it's a password\n")
        command = [str(cluster.binaries() / "psql"), "-X", "-q", "-h", str(local.paths().pg_socket_dir)]
        done = subprocess.run(
            [*command, "-U", "clinchat", "-d", "postgres"], input=text, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


def superuser(database: str = "postgres") -> psycopg.Connection:
    place = local.paths()
    return psycopg.connect(host=str(place.pg_socket_dir), dbname=database, user="clinchat", autocommit=True)


def clear() -> None:
    with superuser() as server:
        for name in (APP, OTHER, EMPTY):
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        for role in (APP, OTHER, OWNER):
            server.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    ensure_keys()
    clear()
    made = Installation(APP, tmp_path_factory.mktemp("roles"))
    made.make_roles()
    done = made.manage(OWNER, "migrate", "--no-input", "--verbosity", "0")
    assert done.returncode == 0, done.stderr
    yield made
    clear()


@pytest.fixture(scope="module")
def used(installation: Installation) -> Installation:
    """The same after some use of it by the application, in one process: three would load the models three times."""
    document = installation.folder / "contrast.md"
    document.write_text(DOCUMENT)
    done = installation.manage(APP, "shell", "--no-imports", "-c", USE.format(document=str(document)))
    assert done.returncode == 0, (done.stdout, done.stderr)
    return installation


def test_the_application_works(used: Installation) -> None:
    done = used.manage(APP, "shell", "--no-imports", "-c", PROGRAM)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told.pop("sealed") >= 8
    assert told == {
        "conditions": [],
        "purged": 1,
        "events": ["user_updated", "user_created"],
        "weaknesses": [],
        "warnings": [],
    }
    verified = used.manage(APP, "audit_verify", "--json")
    report = json.loads(verified.stdout)
    assert (verified.returncode, report["ok"], report["warnings"]) == (0, True, []), report["problems"]


def test_what_is_granted(used: Installation) -> None:
    """On every table of the trail, months made later included, the application reads and adds."""
    with used.connect(APP) as app:
        found = app.execute(
            "SELECT oid::regclass::text, pg_get_userbyid(relowner), "
            "ARRAY(SELECT privilege FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', "
            "'REFERENCES', 'TRIGGER', 'MAINTAIN']) AS privilege WHERE has_table_privilege(oid, privilege)), "
            "has_any_column_privilege(oid, 'UPDATE') "
            "FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
        ).fetchall()
    assert {owner for _, owner, _, _ in found} == {OWNER}
    trail = {table: (rights, by_column) for table, _, rights, by_column in found if table.startswith(TRAIL)}
    assert len(trail) >= 8
    assert "compliance_auditevent_203105" in trail
    for table, rights in trail.items():
        assert rights == (["SELECT", "INSERT"], False), table
    key = next(rights for table, _, rights, _ in found if table == "compliance_auditkey")
    assert key == []
    others = [rights for table, _, rights, _ in found if table not in trail and table != "compliance_auditkey"]
    assert len(others) > 20
    assert all(rights == ["SELECT", "INSERT", "UPDATE", "DELETE"] for rights in others)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE compliance_auditevent SET actor_name = 'nobody'",
        "DELETE FROM compliance_auditevent",
        "TRUNCATE compliance_auditevent",
        "DELETE FROM {month}",
        "UPDATE {month} SET actor_name = 'nobody'",
        "TRUNCATE {month}",
        "DROP TABLE {month}",
        "DELETE FROM compliance_auditevent_203105",
        "ALTER TABLE compliance_auditevent DETACH PARTITION {month}",
        "ALTER TABLE compliance_auditevent DISABLE TRIGGER ALL",
        "ALTER TABLE {month} DISABLE TRIGGER clinchat_digest",
        "ALTER TABLE compliance_user DISABLE TRIGGER clinchat_audit",
        "DROP TRIGGER clinchat_audit ON compliance_user",
        "DROP TABLE compliance_auditevent",
        "CREATE TRIGGER quiet BEFORE INSERT ON {month} EXECUTE FUNCTION compliance_refuse()",
        "UPDATE compliance_seal SET size = 1",
        "DELETE FROM compliance_seal",
        "TRUNCATE compliance_seal",
        "DELETE FROM compliance_sealedevent",
        "TRUNCATE compliance_sealedevent",
        "TRUNCATE compliance_user CASCADE",
        "SELECT inner_pad FROM compliance_auditkey",
        "SELECT compliance_audit_protect('a', '\"b\"')",
        "SELECT compliance_audit_append_only('chat_turn')",
        "SELECT compliance_audit_restrict('chat_turn')",
        "CREATE OR REPLACE FUNCTION compliance_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "DROP FUNCTION compliance_audit_change() CASCADE",
        "CREATE TABLE public.mine (id int)",
        "SET session_replication_role = replica",
        "SET ROLE " + OWNER,
        "ALTER ROLE " + APP + " SUPERUSER",
        "COPY compliance_auditevent TO PROGRAM 'cat'",
    ],
)
def test_what_the_application_may_not(used: Installation, statement: str) -> None:
    with used.connect(APP) as app, pytest.raises(errors.InsufficientPrivilege):
        app.execute(statement.format(month=_month(app)))


def test_what_two_people_did_not_agree_on_is_not_purged(used: Installation) -> None:
    with used.connect(APP) as app, pytest.raises(errors.RestrictViolation):
        app.execute("SELECT compliance_audit_purge(gen_random_uuid())")


@pytest.mark.parametrize("table", [*TRAIL, "{month}"])
@pytest.mark.parametrize(
    "statement", ["UPDATE {table} SET {column} = {column}", "DELETE FROM {table}", "TRUNCATE {table}"]
)
def test_even_the_owner_is_refused(used: Installation, table: str, statement: str) -> None:
    with used.connect(OWNER) as owner:
        table = table.format(month=_month(owner))
        column = {"compliance_seal": "size", "compliance_sealedevent": "event"}.get(table, "actor_name")
        with pytest.raises(errors.RestrictViolation):
            owner.execute(statement.format(table=table, column=column))


def test_the_application_cannot_make_tables_of_its_own(used: Installation) -> None:
    done = used.manage(APP, "migrate", "training", "zero", "--no-input")  # the app at the end: little is rendered
    assert done.returncode != 0
    assert "must be owner of" in done.stderr


def made_by_one_role(old: Installation) -> None:
    """The database of version 0.1: its role has migrated it."""
    with superuser() as server:
        server.execute(f"CREATE DATABASE {OTHER} OWNER {OTHER}")
    with superuser(OTHER) as server:
        server.execute("CREATE EXTENSION vector")
    one_role = old.manage(OTHER, "migrate", "compliance", "0002", "--no-input", "--verbosity", "0")
    assert one_role.returncode == 0, one_role.stderr


def given_to_one_role(_old: Installation) -> None:
    """What that role would have, had it migrated to the end: the same tables, all its own, and no rights of another.

    Copied from the database in use, whose migrations ran once already: rendering them takes ten seconds.
    """
    with superuser() as server:
        server.execute(f"CREATE DATABASE {OTHER} TEMPLATE {APP} OWNER {OTHER}")
    with superuser(OTHER) as server:
        server.execute(f"REASSIGN OWNED BY {OWNER} TO {OTHER}")
        server.execute(f"ALTER DATABASE {APP} OWNER TO {OWNER}")  # that of the other database was not meant
        server.execute(f"DROP OWNED BY {APP}, {OWNER}")  # what is left of them here: granted rights
        found = server.execute(
            "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        ).fetchall()
        left = server.execute(
            "SELECT count(*) FROM pg_shdepend JOIN pg_roles ON refobjid = pg_roles.oid "
            "WHERE rolname = ANY(%s) AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
            [[APP, OWNER]],
        ).fetchone()
    assert (found, left) == ([(OTHER,)], (0,))


@pytest.mark.parametrize("made", [made_by_one_role, given_to_one_role], ids=["of 0.1", "up to date"])
def test_from_one_role_to_two(used: Installation, made: Callable[[Installation], None]) -> None:
    """An installation whose one role owns everything, as in version 0.1, becomes one with two."""
    with superuser() as server:
        server.execute(f"DROP DATABASE IF EXISTS {OTHER} WITH (FORCE)")
        server.execute(f"DROP ROLE IF EXISTS {OTHER}")
        server.execute(f"CREATE ROLE {OTHER} LOGIN")
    old = Installation(OTHER, used.folder)
    made(old)
    old.make_roles()
    done = old.manage(OWNER, "migrate", "--no-input", "--verbosity", "0")
    assert done.returncode == 0, done.stderr
    old.make_roles()
    with old.connect(OTHER) as app:
        app.execute(
            "INSERT INTO compliance_auditevent (lane, code, action, outcome, actor_kind) "
            "VALUES ('access', 'sys_startup', 'E', 'success', 'service')"
        )
        for statement in ("DELETE FROM compliance_auditevent", "SELECT * FROM compliance_auditkey"):
            with pytest.raises(errors.InsufficientPrivilege):
                app.execute(statement)
        app.execute("DELETE FROM compliance_session")


def _month(server: psycopg.Connection) -> str:
    row = server.execute("SELECT 'compliance_auditevent_' || to_char(now(), 'YYYYMM')").fetchone()
    assert row
    return str(row[0])
