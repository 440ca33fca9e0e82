"""Ways to weaken what keeps the trail append-only and what writes it."""

from __future__ import annotations

import random

from compliance import audit
from tests.compliance.sealed_trail import TABLES, sql
from tests.compliance.tampering import Ways, seal

WAYS = Ways()
found_as = WAYS.found_as


def _partition(rng: random.Random, *, with_events: bool = False) -> str:
    held = "SELECT DISTINCT tableoid::regclass::text FROM compliance_auditevent"
    every = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'compliance_auditevent'::regclass"
    return str(rng.choice(sorted(sql(held if with_events else every)))[0])


def _watched(rng: random.Random) -> str:
    return rng.choice(sorted(one.table for one in audit.watched().values()))


@found_as("trigger", off=False)
def drop_a_trigger(rng: random.Random) -> None:
    table, names = rng.choice(
        [
            (_partition(rng), ["clinchat_no_change", "clinchat_no_truncate"]),
            (rng.choice(TABLES), ["clinchat_no_change", "clinchat_no_truncate"]),
            ("compliance_auditevent", ["clinchat_digest"]),
            (_watched(rng), ["clinchat_audit", "clinchat_no_truncate"]),
        ]
    )
    sql(f"DROP TRIGGER {rng.choice(names)} ON {table}")


@found_as("trigger", off=False)
def switch_a_trigger_off(rng: random.Random) -> None:
    how = rng.choice(["DISABLE", "ENABLE", "ENABLE REPLICA"])
    table, names = rng.choice(
        [
            (_partition(rng), ["clinchat_no_change", "clinchat_no_truncate", "clinchat_digest"]),
            (rng.choice(TABLES[1:]), ["clinchat_no_truncate"]),
            (_watched(rng), ["clinchat_audit", "clinchat_no_truncate"]),
        ]
    )
    sql(f"ALTER TABLE {table} {how} TRIGGER {rng.choice(names)}")


@found_as("trigger", off=False)
def weaken_a_trigger(rng: random.Random) -> None:
    """It is there, is on, has its name, and does not do what it did."""
    sql("CREATE FUNCTION harmless() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    table = _watched(rng)
    ((definition,),) = sql(
        "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'clinchat_audit' AND tgrelid = %s::regclass",
        table,
    )
    refuse = "EXECUTE FUNCTION compliance_refuse()"
    other = rng.choice(["compliance_seal", "compliance_sealedevent", _partition(rng)])
    table, name, made = rng.choice(
        [
            (table, "clinchat_audit", definition.replace("INSERT OR DELETE OR UPDATE", "INSERT OR UPDATE")),
            (table, "clinchat_audit", definition.replace("FOR EACH ROW", "FOR EACH ROW WHEN (false)")),
            (table, "clinchat_audit", definition.replace("compliance_audit_change", "harmless").replace("'x'", "")),
            (other, "clinchat_no_change", f"BEFORE DELETE ON {other} {refuse}"),
            (other, "clinchat_no_change", f"BEFORE UPDATE OR DELETE ON {other} WHEN (1 = 2) {refuse}"),
            (other, "clinchat_no_truncate", f"BEFORE TRUNCATE ON {other} EXECUTE FUNCTION harmless()"),
        ]
    )
    sql(f"DROP TRIGGER {name} ON {table}")
    sql(made if made.startswith("CREATE") else f"CREATE TRIGGER {name} {made}")
    sql(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


@found_as("trigger", off=False)
def put_something_before_the_triggers(rng: random.Random) -> None:
    """Events vanish or change before they are stored."""
    sql("CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    sql(
        rng.choice(
            [
                "CREATE TRIGGER a BEFORE INSERT ON compliance_auditevent FOR EACH ROW EXECUTE FUNCTION swallow()",
                f"CREATE TRIGGER z BEFORE INSERT ON {_partition(rng)} FOR EACH ROW EXECUTE FUNCTION swallow()",
                "CREATE RULE a AS ON INSERT TO compliance_auditevent DO INSTEAD NOTHING",
                f"CREATE RULE a AS ON UPDATE TO {_watched(rng)} DO INSTEAD NOTHING",
                "CREATE RULE a AS ON INSERT TO compliance_sealedevent DO INSTEAD NOTHING",
                f"ALTER TABLE {rng.choice(TABLES)} ENABLE ROW LEVEL SECURITY",
            ]
        )
    )


@found_as("trigger", off=False)
def replace_a_function(rng: random.Random) -> None:
    returns = "RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
    name = rng.choice(["compliance_audit_digest()", "compliance_audit_change()", "compliance_refuse()"])
    if rng.random() < 0.3:  # while a function of the same name, elsewhere, looks as it should
        sql("CREATE SCHEMA elsewhere")
        ((definition,),) = sql("SELECT pg_get_functiondef(%s::regprocedure)", name)
        sql(definition.replace("public.", "elsewhere.", 1))
    sql(
        rng.choice(
            [
                f"CREATE OR REPLACE FUNCTION {name} {returns}",
                f"ALTER FUNCTION {name} SET search_path = elsewhere, pg_catalog",
                f"ALTER FUNCTION {name} SET timezone = 'Asia/Tokyo'",
                "CREATE OR REPLACE FUNCTION compliance_audit_protect(place text, value jsonb) RETURNS jsonb "
                "LANGUAGE sql AS 'SELECT value'",
            ]
        )
    )


@found_as("missing", "unreadable", "gap", off=False)
def drop_a_table(rng: random.Random) -> None:
    how = rng.choice(["drop", "detach", "detach", "seal"])
    partition = _partition(rng, with_events=True)
    if how == "drop":
        sql(f"DROP TABLE {partition}")
    elif how == "detach":
        sql(f"ALTER TABLE compliance_auditevent DETACH PARTITION {partition}")
    else:
        sql(f"ALTER TABLE {rng.choice(TABLES)} RENAME TO gone")


@found_as("unreadable")
def make_it_unreadable(rng: random.Random) -> None:
    sql("UPDATE compliance_seal SET sealed_at = 'infinity' WHERE number = %s", seal(rng).number)


@found_as("grant", off=False)
def grant(rng: random.Random) -> None:
    sql("CREATE ROLE somebody")
    right = rng.choice(["UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "ALL", "UPDATE (digest)", "INSERT, UPDATE (digest)"])
    table = rng.choice([*TABLES[::2], _partition(rng)])
    sql(f"GRANT {right} ON {table} TO {rng.choice(['somebody', 'PUBLIC'])}")
