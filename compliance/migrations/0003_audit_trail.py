"""The audit trail an outsider can verify: monthly partitions, digests made by the database, triggers that record
every change of a sensitive table whoever makes it, and the tables of the seals.

Which tables are watched is not written here: `compliance.audit.triggers` attaches the functions below after each
migration. ENABLE ALWAYS: a trigger also fires for a session that has set session_replication_role to replica.
"""

from __future__ import annotations

import os
import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import clinchat.lib.clock
import compliance.models.events

FUNCTIONS = """
-- The canonical form of a row is what to_jsonb makes of it in UTC, without the two columns made from it.
CREATE FUNCTION compliance_audit_digest() RETURNS trigger LANGUAGE plpgsql
    SET timezone = 'UTC' SET search_path = pg_catalog AS $$
BEGIN
    IF NEW."timestamp" NOT BETWEEN clock_timestamp() - interval '5 seconds' AND clock_timestamp() THEN
        RAISE EXCEPTION 'the time of an audit event is the clock of the database' USING ERRCODE = 'check_violation';
    END IF;
    NEW.form := 1;
    NEW.xid := pg_current_xact_id();
    NEW.canonical := convert_to((to_jsonb(NEW) - '{canonical,digest}'::text[])::text, 'UTF8');
    NEW.digest := sha256('\\x00'::bytea || NEW.canonical);
    RETURN NEW;
END
$$;

-- HMAC-SHA-256 (RFC 2104) under a key that only the owner of the tables may read. 64 bits tell two values apart.
CREATE FUNCTION compliance_audit_protect(place text, value jsonb) RETURNS jsonb LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT CASE WHEN value IS NULL OR value = 'null' THEN 'null'::jsonb ELSE to_jsonb('hmac:' || left(encode(sha256(
        outer_pad || sha256(inner_pad || convert_to(place || chr(10) || value::text, 'UTF8'))), 'hex'), 16)) END
    FROM compliance_auditkey
$$;

-- Arguments: object type, codes of insert,update,delete, column of the object id, shown columns, ignored columns.
-- A column that is neither shown nor ignored is recorded as a keyed digest.
CREATE FUNCTION compliance_audit_change() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET timezone = 'UTC' SET search_path = public, pg_temp AS $$
DECLARE
    codes text[] := string_to_array(TG_ARGV[1], ',');
    shown text[] := string_to_array(TG_ARGV[3], ',');
    ignored text[] := string_to_array(TG_ARGV[4], ',');
    kind int := CASE TG_OP WHEN 'INSERT' THEN 1 WHEN 'UPDATE' THEN 2 ELSE 3 END;
    was jsonb := CASE TG_OP WHEN 'INSERT' THEN '{}'::jsonb ELSE to_jsonb(OLD) - ignored END;
    becomes jsonb := CASE TG_OP WHEN 'DELETE' THEN '{}'::jsonb ELSE to_jsonb(NEW) - ignored END;
    whole jsonb := was || becomes;
    difference jsonb;
    who jsonb := nullif(current_setting('clinchat.context', true), '')::jsonb;
BEGIN
    SELECT jsonb_object_agg(name, CASE WHEN name = ANY (shown)
        THEN jsonb_build_array(was -> name, becomes -> name)
        ELSE jsonb_build_array(compliance_audit_protect(TG_ARGV[0] || '.' || name, was -> name),
                               compliance_audit_protect(TG_ARGV[0] || '.' || name, becomes -> name)) END)
    INTO difference
    FROM jsonb_object_keys(whole) AS name
    WHERE coalesce(was -> name, 'null') IS DISTINCT FROM coalesce(becomes -> name, 'null');
    IF difference IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO compliance_auditevent (lane, code, action, outcome, actor_id, actor_name, actor_roles, actor_kind,
        session, remote_addr, proxies, object_type, object_id, patient, purpose, correlation_id, task_id,
        app_version, detail, changes)
    VALUES ('data', codes[kind], substr('CUD', kind, 1), 'success', (who ->> 'actor_id')::uuid,
        coalesce(who ->> 'actor_name', 'unknown-db:' || session_user), coalesce(who -> 'actor_roles', '[]'),
        coalesce(who ->> 'actor_kind', 'unknown-db'), coalesce(who ->> 'session', ''),
        coalesce((who ->> 'remote_addr')::inet, CASE WHEN who IS NULL THEN inet_client_addr() END),
        coalesce(who -> 'proxies', '[]'), TG_ARGV[0], coalesce(whole ->> TG_ARGV[2], ''),
        coalesce(whole ->> 'patient', ''), coalesce(who ->> 'purpose', ''), (who ->> 'correlation_id')::uuid,
        coalesce(who ->> 'task_id', ''), coalesce(who ->> 'app_version', ''), '{}', difference);
    RETURN NULL;
END
$$;

-- Whoever else was granted rights on new tables keeps reading and adding, and nothing more.
CREATE FUNCTION compliance_audit_restrict(target regclass) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    grantee oid;
BEGIN
    FOR grantee IN SELECT DISTINCT acl.grantee FROM pg_class, aclexplode(relacl) AS acl
        WHERE pg_class.oid = target AND acl.grantee <> relowner
    LOOP
        EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER, MAINTAIN ON %s FROM %s', target,
            CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END);
    END LOOP;
END
$$;

CREATE FUNCTION compliance_audit_append_only(target regclass) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER clinchat_no_change BEFORE UPDATE OR DELETE ON %s
        FOR EACH STATEMENT EXECUTE FUNCTION compliance_refuse()', target);
    EXECUTE format('CREATE TRIGGER clinchat_no_truncate BEFORE TRUNCATE ON %s
        FOR EACH STATEMENT EXECUTE FUNCTION compliance_refuse()', target);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER clinchat_no_change', target);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER clinchat_no_truncate', target);
    PERFORM compliance_audit_restrict(target);
END
$$;

-- Made apart and attached, so that writers never wait behind an exclusive lock on the whole trail.
CREATE FUNCTION compliance_audit_add_month(day date) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET timezone = 'UTC' SET search_path = public, pg_temp AS $$
DECLARE
    first date := date_trunc('month', day);
    name text := 'compliance_auditevent_' || to_char(first, 'YYYYMM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('compliance_audit_add_month'));
    IF to_regclass(name) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE compliance_auditevent INCLUDING ALL)', name);
    EXECUTE format('ALTER TABLE compliance_auditevent ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name,
        first::timestamptz, (first + interval '1 month')::timestamptz);
    PERFORM compliance_audit_append_only(name::regclass);
END
$$;

-- Removes the events of whole months, ten years old or older, on the word of two people. Their digests stay.
CREATE FUNCTION compliance_audit_purge(purge uuid) RETURNS int LANGUAGE plpgsql
    SECURITY DEFINER SET timezone = 'UTC' SET search_path = public, pg_temp AS $$
DECLARE
    horizon date;
    part regclass;
    unsealed boolean;
    dropped int := 0;
BEGIN
    SELECT before INTO horizon FROM compliance_auditpurge
        WHERE id = purge AND status = 'done' AND decided_by_id <> requested_by_id;
    IF horizon IS NULL OR horizon > current_date - interval '10 years' THEN
        RAISE EXCEPTION 'not a purge two people agreed on' USING ERRCODE = 'restrict_violation';
    END IF;
    FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'compliance_auditevent'::regclass
        AND to_date(right(inhrelid::regclass::text, 6), 'YYYYMM') + interval '1 month' <= horizon
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s AS e WHERE NOT EXISTS
            (SELECT FROM compliance_sealedevent WHERE event = e.id))', part) INTO unsealed;
        IF unsealed THEN
            RAISE EXCEPTION '% holds events that are not sealed', part USING ERRCODE = 'restrict_violation';
        END IF;
        EXECUTE format('DROP TABLE %s', part);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;
"""

TABLE = """
ALTER TABLE compliance_auditevent RENAME TO compliance_auditevent_old;
CREATE TABLE compliance_auditevent (
    id uuid NOT NULL DEFAULT uuidv7(),
    form smallint NOT NULL DEFAULT 1,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    "timestamp" timestamptz NOT NULL DEFAULT clock_timestamp(),
    lane varchar(10) NOT NULL CONSTRAINT audit_event_lane CHECK (lane IN ('data', 'access')),
    code varchar(40) NOT NULL,
    action char(1) NOT NULL CONSTRAINT audit_event_crude CHECK (action IN ('C', 'R', 'U', 'D', 'E')),
    outcome varchar(10) NOT NULL CONSTRAINT audit_event_result CHECK (outcome IN ('success', 'denied', 'failure')),
    actor_id uuid,
    actor_name varchar(200) NOT NULL DEFAULT '',
    actor_roles jsonb NOT NULL DEFAULT '[]',
    actor_kind varchar(10) NOT NULL CONSTRAINT audit_event_kind
        CHECK (actor_kind IN ('person', 'service', 'schedule', 'command', 'unknown-db')),
    session varchar(64) NOT NULL DEFAULT '',
    remote_addr inet,
    proxies jsonb NOT NULL DEFAULT '[]',
    object_type varchar(100) NOT NULL DEFAULT '',
    object_id varchar(64) NOT NULL DEFAULT '',
    patient varchar(20) NOT NULL DEFAULT '',
    purpose varchar(40) NOT NULL DEFAULT '',
    correlation_id uuid,
    task_id varchar(64) NOT NULL DEFAULT '',
    app_version varchar(20) NOT NULL DEFAULT '',
    detail jsonb NOT NULL DEFAULT '{}',
    changes jsonb,
    canonical bytea NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (id, "timestamp")
) PARTITION BY RANGE ("timestamp");
CREATE INDEX audit_event_time ON compliance_auditevent ("timestamp", id);
CREATE INDEX audit_event_actor_time ON compliance_auditevent (actor_id, "timestamp");
CREATE INDEX audit_event_object_time ON compliance_auditevent (object_id, "timestamp");
CREATE INDEX audit_event_code_time ON compliance_auditevent (code, "timestamp");
CREATE INDEX audit_event_patient_time ON compliance_auditevent (patient, "timestamp") WHERE patient <> '';
CREATE INDEX audit_event_refused ON compliance_auditevent (outcome, "timestamp") WHERE outcome <> 'success';
CREATE INDEX audit_event_stranger ON compliance_auditevent ("timestamp") WHERE actor_kind = 'unknown-db';
CREATE INDEX audit_event_request ON compliance_auditevent (correlation_id);
CREATE INDEX audit_event_xid ON compliance_auditevent (xid);

SELECT compliance_audit_add_month(day::date)
FROM generate_series(date_trunc('month', (SELECT coalesce(min("timestamp"), now()) FROM compliance_auditevent_old)),
    now() + interval '3 months', interval '1 month') AS day;

INSERT INTO compliance_auditevent (id, "timestamp", lane, code, action, outcome, actor_id, actor_name, actor_roles,
    actor_kind, session, remote_addr, object_type, object_id, correlation_id, detail, changes, canonical, digest)
SELECT id, "timestamp", CASE WHEN changes IS NULL THEN 'access' ELSE 'data' END, code, action, outcome, actor_id,
    actor_name, actor_roles, CASE WHEN actor_id IS NULL THEN 'service' ELSE 'person' END, session, remote_addr,
    object_type, object_id, correlation_id, detail, changes, '', '' FROM compliance_auditevent_old;
DROP TABLE compliance_auditevent_old;
"""

PROTECTION = """
SET LOCAL timezone = 'UTC';
DO $$ DECLARE part regclass; BEGIN
    -- Events of version 0.1 get their canonical form here, before the trigger that makes it is there.
    FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'compliance_auditevent'::regclass LOOP
        -- nosemgrep: trigger-switched-off  # on again below
        EXECUTE format('ALTER TABLE %s DISABLE TRIGGER clinchat_no_change', part);
        EXECUTE format('UPDATE %s AS e SET canonical =
            convert_to((to_jsonb(e) - ''{canonical,digest}''::text[])::text, ''UTF8'')', part);
        EXECUTE format('UPDATE %s SET digest = sha256(''\\x00''::bytea || canonical)', part);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER clinchat_no_change', part);
    END LOOP;
END $$;

CREATE TRIGGER clinchat_digest BEFORE INSERT ON compliance_auditevent
    FOR EACH ROW EXECUTE FUNCTION compliance_audit_digest();
ALTER TABLE compliance_auditevent ENABLE ALWAYS TRIGGER clinchat_digest;
SELECT compliance_audit_append_only('compliance_auditevent');
SELECT compliance_audit_append_only('compliance_seal');
SELECT compliance_audit_append_only('compliance_sealedevent');

-- PostgreSQL lets everybody call a new function. These act with the rights of their owner, on any table or value.
REVOKE EXECUTE ON FUNCTION compliance_audit_protect(text, jsonb), compliance_audit_restrict(regclass),
    compliance_audit_append_only(regclass) FROM PUBLIC;
"""

KEY = """
CREATE TABLE compliance_auditkey (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    inner_pad bytea NOT NULL CHECK (length(inner_pad) = 64),
    outer_pad bytea NOT NULL CHECK (length(outer_pad) = 64)
)
"""


def make_key(apps, schema_editor):
    """A key for the digests of protected values. Made here, so that no other installation has it."""
    key = os.urandom(32).ljust(64, b"\0")
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(KEY)
        cursor.execute(
            "INSERT INTO compliance_auditkey (inner_pad, outer_pad) VALUES (%s, %s)",
            [bytes(byte ^ 0x36 for byte in key), bytes(byte ^ 0x5C for byte in key)],
        )
        # Unlike the trail itself it is not even read by others: only the functions above use it.
        cursor.execute(
            "DO $$ DECLARE grantee oid; BEGIN FOR grantee IN SELECT DISTINCT acl.grantee FROM pg_class, "
            "aclexplode(relacl) AS acl WHERE pg_class.oid = 'compliance_auditkey'::regclass AND acl.grantee <> relowner "
            "LOOP EXECUTE format('REVOKE ALL ON compliance_auditkey FROM %s', CASE grantee WHEN 0 THEN 'PUBLIC' "
            "ELSE quote_ident(pg_get_userbyid(grantee)) END); END LOOP; END $$"
        )


def name_patients(apps, schema_editor):
    """Record numbers that are in the vault already get their pseudonym."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "UPDATE compliance_vaultentry SET patient = 'P-' || left(encode(blind_index, 'hex'), 16) WHERE label = 'MRN'"
        )


class Migration(migrations.Migration):
    dependencies = [("compliance", "0002_append_only")]

    operations = [
        migrations.RunPython(make_key, migrations.RunPython.noop),
        migrations.RunSQL(FUNCTIONS),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.DeleteModel("AuditEvent"),
                migrations.CreateModel(
                    name="AuditEvent",
                    fields=[
                        ("changes", models.JSONField(null=True, verbose_name="change message")),
                        (
                            "remote_addr",
                            models.GenericIPAddressField(blank=True, null=True, verbose_name="remote address"),
                        ),
                        (
                            "id",
                            models.UUIDField(
                                db_default=compliance.models.events.UuidV7(),
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "timestamp",
                            models.DateTimeField(
                                db_default=compliance.models.events.ClockTimestamp(),
                                editable=False,
                                help_text="By the clock of the database.",
                            ),
                        ),
                        (
                            "lane",
                            models.CharField(choices=[("data", "Data change"), ("access", "Access")], max_length=10),
                        ),
                        (
                            "code",
                            models.CharField(
                                choices=[
                                    ("authn_login_success", "Authn Login Success"),
                                    ("authn_login_fail", "Authn Login Fail"),
                                    ("authn_token_created", "Authn Token Created"),
                                    ("authn_token_revoked", "Authn Token Revoked"),
                                    ("authz_fail", "Authz Fail"),
                                    ("session_expired", "Session Expired"),
                                    ("user_created", "User Created"),
                                    ("user_updated", "User Updated"),
                                    ("user_deleted", "User Deleted"),
                                    ("privilege_permissions_changed", "Privilege Permissions Changed"),
                                    ("sensitive_create", "Sensitive Create"),
                                    ("sensitive_read", "Sensitive Read"),
                                    ("sensitive_update", "Sensitive Update"),
                                    ("sensitive_delete", "Sensitive Delete"),
                                    ("sys_startup", "Sys Startup"),
                                    ("sys_shutdown", "Sys Shutdown"),
                                    ("sys_restore", "Sys Restore"),
                                    ("sys_integrity_fail", "Sys Integrity Fail"),
                                ],
                                max_length=40,
                            ),
                        ),
                        (
                            "action",
                            models.CharField(
                                choices=[
                                    ("C", "Create"),
                                    ("R", "Read"),
                                    ("U", "Update"),
                                    ("D", "Delete"),
                                    ("E", "Execute"),
                                ],
                                max_length=1,
                            ),
                        ),
                        (
                            "outcome",
                            models.CharField(
                                choices=[("success", "Success"), ("denied", "Denied"), ("failure", "Failure")],
                                max_length=10,
                            ),
                        ),
                        ("actor_name", models.CharField(blank=True, max_length=200)),
                        ("actor_roles", models.JSONField(blank=True, default=list)),
                        (
                            "actor_kind",
                            models.CharField(
                                choices=[
                                    ("person", "Person"),
                                    ("service", "Service"),
                                    ("schedule", "Schedule"),
                                    ("command", "Command"),
                                    ("unknown-db", "Outside ClinChat"),
                                ],
                                max_length=10,
                            ),
                        ),
                        (
                            "proxies",
                            models.JSONField(
                                blank=True, default=list, help_text="Trusted proxies between the source and us."
                            ),
                        ),
                        ("object_type", models.CharField(blank=True, max_length=100)),
                        ("object_id", models.CharField(blank=True, max_length=64)),
                        (
                            "patient",
                            models.CharField(blank=True, help_text="Pseudonym: P- and a keyed digest.", max_length=20),
                        ),
                        (
                            "purpose",
                            models.CharField(
                                blank=True, help_text="Purpose of use, where one was stated.", max_length=40
                            ),
                        ),
                        ("detail", models.JSONField(blank=True, default=dict)),
                        (
                            "correlation_id",
                            models.UUIDField(
                                blank=True, help_text="Joins the events of one request or task.", null=True
                            ),
                        ),
                        ("task_id", models.CharField(blank=True, max_length=64)),
                        (
                            "session",
                            models.CharField(blank=True, help_text="Digest of the session key.", max_length=64),
                        ),
                        ("app_version", models.CharField(blank=True, max_length=20)),
                        ("canonical", models.BinaryField(help_text="The exact bytes that were hashed.")),
                        (
                            "digest",
                            models.BinaryField(help_text="SHA-256 of a zero byte and `canonical`.", max_length=32),
                        ),
                        (
                            "actor",
                            models.ForeignKey(
                                blank=True,
                                db_constraint=False,
                                help_text="Empty when nobody was signed in, or the system acted by itself.",
                                null=True,
                                on_delete=django.db.models.deletion.DO_NOTHING,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "audit event",
                        "ordering": ["-timestamp", "-id"],
                        "get_latest_by": "timestamp",
                    },
                ),
            ],
            database_operations=[migrations.RunSQL(TABLE)],
        ),
        migrations.CreateModel(
            name="AuditVerification",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("ran_at", models.DateTimeField(default=clinchat.lib.clock.now)),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("full", "Every event"),
                            ("since", "Events since a day"),
                            ("incremental", "Events since the last verification"),
                        ],
                        max_length=20,
                    ),
                ),
                ("ok", models.BooleanField()),
                ("events", models.BigIntegerField(help_text="Events read.")),
                ("to_seal", models.BigIntegerField(help_text="Number of the last seal that was read; 0 for none.")),
                ("problems", models.JSONField(default=list)),
                ("seconds", models.FloatField()),
            ],
            options={
                "ordering": ["-ran_at"],
            },
        ),
        migrations.AddField(
            model_name="vaultentry",
            name="patient",
            field=models.CharField(
                blank=True, help_text="Pseudonym of the patient, where the value is their record number.", max_length=20
            ),
        ),
        migrations.CreateModel(
            name="Seal",
            fields=[
                (
                    "number",
                    models.BigIntegerField(help_text="1, 2, 3 … without gaps.", primary_key=True, serialize=False),
                ),
                ("first", models.BigIntegerField(help_text="Position of its first event in the whole trail, from 1.")),
                ("size", models.PositiveIntegerField()),
                ("root", models.BinaryField(max_length=32)),
                ("previous", models.BinaryField(help_text="SHA-256 of the previous statement.", max_length=32)),
                ("month", models.DateField(help_text="First day of the month its events were recorded in.")),
                ("sealed_at", models.DateTimeField()),
                ("statement", models.BinaryField()),
                ("signature", models.BinaryField(max_length=64)),
                ("key_id", models.CharField(max_length=16)),
                ("horizon", models.CharField(help_text="Every transaction below this id is sealed.", max_length=20)),
                ("system", models.CharField(help_text="The database cluster that counted the horizon.", max_length=20)),
            ],
            options={
                "ordering": ["number"],
                "constraints": [models.CheckConstraint(condition=models.Q(("size__gt", 0)), name="seal_not_empty")],
            },
        ),
        migrations.CreateModel(
            name="SealedEvent",
            fields=[
                ("position", models.BigIntegerField(primary_key=True, serialize=False)),
                ("event", models.UUIDField()),
                ("timestamp", models.DateTimeField()),
                ("digest", models.BinaryField(max_length=32)),
                (
                    "seal",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="compliance.seal",
                    ),
                ),
            ],
            options={
                "ordering": ["position"],
                "constraints": [models.UniqueConstraint(fields=("event", "timestamp"), name="sealed_event_once")],
            },
        ),
        migrations.CreateModel(
            name="AuditPurge",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("before", models.DateField(help_text="First day of the first month that is kept.")),
                ("reason", models.CharField(max_length=500)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("requested", "Waits for a second person"),
                            ("done", "Done"),
                            ("cancelled", "Canceled"),
                        ],
                        default="requested",
                        max_length=10,
                    ),
                ),
                ("requested_at", models.DateTimeField(default=clinchat.lib.clock.now)),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                (
                    "decided_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ["-requested_at"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "done"), _negated=True),
                            models.Q(
                                ("decided_by__isnull", False),
                                models.Q(("decided_by", models.F("requested_by")), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="audit_purge_two_people",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("status", "requested")), fields=("status",), name="audit_purge_one_open"
                    ),
                ],
            },
        ),
        migrations.RunPython(name_patients, migrations.RunPython.noop),
        migrations.RunSQL(PROTECTION),
    ]
