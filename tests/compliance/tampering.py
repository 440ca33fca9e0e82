"""Ways to tamper with a sealed trail, each at a random place, and what verification must call it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg.types.json import Jsonb

from clinchat.lib import clock
from compliance.audit import checkpoints, merkle
from compliance.models import Code, Crude, Seal, SealedEvent
from tests.compliance.sealed_trail import TABLES, checkpoint_file, insert, rehash, resign, seal_at, sql

Tamper = Callable[[random.Random], None]


class Way(NamedTuple):
    """`kinds`: verification must find one of these. `off`: the triggers of the trail are off meanwhile."""

    tamper: Tamper
    kinds: set[str]
    off: bool


class Ways(list[Way]):
    def found_as(self, *kinds: str, off: bool = True) -> Callable[[Tamper], Tamper]:
        def add(tamper: Tamper) -> Tamper:
            self.append(Way(tamper, set(kinds), off))
            return tamper

        return add


WAYS = Ways()
found_as = WAYS.found_as

COLUMNS: dict[str, Callable[[random.Random, Any], Any]] = {
    "form": lambda _, was: was + 1,
    "xid": lambda rng, was: str(int(was) + rng.choice([-1, 1])),
    "lane": lambda _, was: "data" if was == "access" else "access",
    "code": lambda rng, was: rng.choice([code for code in Code.values if code != was]),
    "action": lambda rng, was: rng.choice([action for action in Crude.values if action != was]),
    "outcome": lambda _, was: "denied" if was == "success" else "success",
    "actor_id": lambda rng, was: rng.choice([None, uuid4()]) if was else uuid4(),
    "actor_name": lambda _, was: was.swapcase() or "Somebody Else",
    "actor_roles": lambda _, was: Jsonb([*was, "auditor"]),
    "actor_kind": lambda _, was: "service" if was != "service" else "person",
    "session": lambda rng, _: f"{rng.getrandbits(64):x}",
    "remote_addr": lambda _, was: None if was else "192.0.2.8",
    "proxies": lambda _, was: Jsonb([*was, "10.0.0.9"]),
    "object_type": lambda _, was: was + "s",
    "object_id": lambda _, was: str(uuid4()),
    "patient": lambda rng, _: f"P-{rng.getrandbits(64):016x}",
    "purpose": lambda _, was: was + "TREAT",
    "correlation_id": lambda _, was: None if was else uuid4(),
    "task_id": lambda _, was: was + "x",
    "app_version": lambda _, was: was + ".1",
    # Numbers that Python, but not PostgreSQL, takes for the same are another value too.
    "detail": lambda rng, was: Jsonb(rng.choice([was | {"more": None}, was | {"whole": 1}])),
    "changes": lambda _, was: None if was else Jsonb({"status": ["queued", "failed"]}),
}


# ── Places ────────────────────────────────────────────────────────────────────────────────────────────────────


def leaf(rng: random.Random) -> SealedEvent:
    return rng.choice(SealedEvent.objects.all())


def seal(rng: random.Random, *, first: int = 1, but: int = 0) -> Seal:
    """Any seal from number `first` on, but the newest ones."""
    return Seal.objects.get(number=rng.randint(first, Seal.objects.count() - but))


def edit(rng: random.Random, event: UUID, names: tuple[str, ...] = tuple(COLUMNS)) -> None:
    name = rng.choice(names)
    ((was,),) = sql(f"SELECT {name} FROM compliance_auditevent WHERE id = %s", event)
    if name in {"actor_roles", "proxies", "detail"}:
        was = json.loads(was)
    kind = "::xid8" if name == "xid" else ""
    sql(f"UPDATE compliance_auditevent SET {name} = %s{kind} WHERE id = %s", COLUMNS[name](rng, was), event)


def move_leaf(event: UUID) -> int:
    """Give the leaf of an event the digest the event has now. Returns the number of its seal."""
    ((number,),) = sql(
        "UPDATE compliance_sealedevent AS l SET digest = e.digest FROM compliance_auditevent AS e "
        "WHERE e.id = l.event AND l.event = %s RETURNING l.seal_id",
        event,
    )
    return int(number)


def move_root(number: int) -> None:
    """Give a seal the root its leaves have now."""
    found = Seal.objects.get(number=number)
    positions = range(found.first, found.first + found.size)
    inside = SealedEvent.objects.filter(position__in=positions).order_by("position").values_list("digest", flat=True)
    Seal.objects.filter(pk=number).update(root=merkle.root([bytes(digest) for digest in inside]))


def cut(number: int) -> Seal:
    """Set the trail back to a seal: what came later is gone."""
    last = Seal.objects.get(number=number)
    end = last.first + last.size - 1
    later = "SELECT event FROM compliance_sealedevent WHERE position > %s"
    sql(f"DELETE FROM compliance_auditevent WHERE id IN ({later})", end)
    sql("DELETE FROM compliance_sealedevent WHERE position > %s", end)
    sql("DELETE FROM compliance_seal WHERE number > %s", number)
    return last


def unsealed(rng: random.Random, **given: Any) -> UUID:
    """An event of this moment, which the sealer has not seen yet."""
    return insert(rng, clock.now() - timedelta(seconds=rng.uniform(0, 2)), **given)


# ── Events ────────────────────────────────────────────────────────────────────────────────────────────────────


@found_as("column")
def edit_a_column(rng: random.Random) -> None:
    edit(rng, leaf(rng).event)


@found_as("column")
def edit_an_unsealed_column(rng: random.Random) -> None:
    events = [unsealed(rng) for _ in range(rng.randint(1, 4))]
    edit(rng, rng.choice(events), tuple(set(COLUMNS) - {"xid"}))


@found_as("leaf")
def edit_and_digest(rng: random.Random) -> None:
    event = leaf(rng).event
    edit(rng, event)
    rehash(event)


@found_as("root")
def edit_and_leaf(rng: random.Random) -> None:
    event = leaf(rng).event
    edit(rng, event)
    rehash(event)
    move_leaf(event)


@found_as("seal", "signature")
def edit_leaf_and_root(rng: random.Random) -> None:
    event = leaf(rng).event
    edit(rng, event)
    rehash(event)
    number = move_leaf(event)
    move_root(number)
    if rng.random() < 0.7:
        resign(number)


@found_as("leaf", "digest")
def edit_the_bytes(rng: random.Random) -> None:
    column, at = rng.choice(["canonical", "digest"]), rng.randrange(32)
    sql(
        f"UPDATE compliance_auditevent SET {column} = set_byte({column}, {at}, get_byte({column}, {at}) # 1) "
        "WHERE id = %s",
        leaf(rng).event,
    )


@found_as("root")
def edit_the_bytes_digest_and_leaf(rng: random.Random) -> None:
    event = leaf(rng).event
    sql(
        "UPDATE compliance_auditevent SET canonical = convert_to(replace(convert_from(canonical, 'UTF8'), 'a', 'b'), "
        "'UTF8') WHERE id = %s",
        event,
    )
    sql("UPDATE compliance_auditevent SET digest = sha256('\\x00'::bytea || canonical) WHERE id = %s", event)
    move_leaf(event)


@found_as("missing", "leaf", "digest")
def take_the_bytes_away(rng: random.Random) -> None:
    event = leaf(rng).event if rng.random() < 0.5 else unsealed(rng)
    sql("ALTER TABLE compliance_auditevent ALTER canonical DROP NOT NULL, ALTER digest DROP NOT NULL")
    sql(f"UPDATE compliance_auditevent SET {rng.choice(['canonical', 'digest'])} = NULL WHERE id = %s", event)


@found_as("missing")
def delete_events(rng: random.Random) -> None:
    chosen = [leaf(rng).event for _ in range(rng.choice([1, 1, 1, 9]))]
    sql("DELETE FROM compliance_auditevent WHERE id = ANY(%s)", chosen)


@found_as("gap")
def delete_with_leaf(rng: random.Random) -> None:
    gone = leaf(rng)
    sql("DELETE FROM compliance_auditevent WHERE id = %s", gone.event)
    sql("DELETE FROM compliance_sealedevent WHERE event = %s", gone.event)


@found_as("root", "signature")
def delete_and_renumber(rng: random.Random) -> None:
    gone = leaf(rng)
    sql("DELETE FROM compliance_auditevent WHERE id = %s", gone.event)
    sql("DELETE FROM compliance_sealedevent WHERE event = %s", gone.event)
    # In two steps, because positions are unique at every moment.
    sql("UPDATE compliance_sealedevent SET position = -position WHERE position > %s", gone.position)
    sql("UPDATE compliance_sealedevent SET position = -position - 1 WHERE position < 0")
    if rng.random() < 0.7:
        sql("UPDATE compliance_seal SET size = size - 1 WHERE number = %s", gone.seal_id)
        sql("UPDATE compliance_seal SET first = first - 1 WHERE number > %s", gone.seal_id)
        move_root(gone.seal_id)
        resign(gone.seal_id)


@found_as("missing")
def move_in_time(rng: random.Random) -> None:
    sql(
        'UPDATE compliance_auditevent SET "timestamp" = "timestamp" + %s WHERE id = %s',
        timedelta(seconds=rng.choice([-1, 1]) * rng.choice([0.001, 1, 60, 86400])),
        leaf(rng).event,
    )


@found_as("column")
def swap_actors(rng: random.Random) -> None:
    columns = "actor_id, actor_name, actor_roles, actor_kind"
    rows = sql(f"SELECT id, {columns} FROM compliance_auditevent")
    one = rng.choice(rows)
    other = rng.choice([row for row in rows if row[1] != one[1]])
    for (event, *_), (_, person, name, roles, kind) in ((one, other), (other, one)):
        values = (person, name, Jsonb(roles), kind, event)
        sql(f"UPDATE compliance_auditevent SET ({columns}) = ROW(%s, %s, %s, %s) WHERE id = %s", *values)


@found_as("behind")
def insert_into_the_past(rng: random.Random) -> None:
    """At the time and in the transaction of an event that is there, as if it had been there all along."""
    beside = leaf(rng).event
    ((at, xid),) = sql('SELECT "timestamp", xid::text FROM compliance_auditevent WHERE id = %s', beside)
    insert(rng, at + timedelta(milliseconds=rng.randint(1, 900)), xid=int(xid))


@found_as("unsealed")
def insert_with_an_old_time(rng: random.Random) -> None:
    insert(rng, leaf(rng).timestamp + timedelta(milliseconds=rng.randint(1, 900)))


@found_as("time")
def insert_with_an_old_time_and_wait_for_the_seal(rng: random.Random) -> None:
    last = Seal.objects.latest("number")
    insert(rng, last.sealed_at - timedelta(minutes=rng.randint(16, 60 * 24 * 60)), xid=int(last.horizon))
    seal_at(clock.now())


@found_as("gap")
def insert_with_a_leaf_outside_the_seals(rng: random.Random) -> None:
    """An event that has a leaf is not waiting to be sealed, and no seal covers this one."""
    at = leaf(rng).timestamp
    event = insert(rng, at, xid=rng.choice([None, 9]))
    place = rng.choice([0, -rng.randint(1, 10**6), SealedEvent.objects.count() + rng.randint(1, 10**6)])
    sql(
        'INSERT INTO compliance_sealedevent (position, seal_id, event, "timestamp", digest) '
        'SELECT %s, %s, id, "timestamp", digest FROM compliance_auditevent WHERE id = %s',
        place,
        seal(rng).number,
        event,
    )


# ── Leaves and seals ──────────────────────────────────────────────────────────────────────────────────────────


@found_as("root", "leaf", "missing")
def edit_a_leaf(rng: random.Random) -> None:
    change = rng.choice(
        [
            "digest = set_byte(digest, 7, get_byte(digest, 7) # 1)",
            "event = gen_random_uuid()",
            '"timestamp" = "timestamp" + interval \'1 second\'',
            "seal_id = seal_id + 1",
        ]
    )
    sql(f"UPDATE compliance_sealedevent SET {change} WHERE position = %s", leaf(rng).position)


@found_as("root")
def reorder(rng: random.Random) -> None:
    """Two events change places."""
    one, other = rng.sample(list(SealedEvent.objects.all()), 2)
    sql("UPDATE compliance_sealedevent SET position = 0 WHERE position = %s", one.position)
    sql("UPDATE compliance_sealedevent SET position = %s WHERE position = %s", one.position, other.position)
    sql("UPDATE compliance_sealedevent SET position = %s WHERE position = 0", other.position)
    if rng.random() < 0.5:
        sql(
            "UPDATE compliance_sealedevent SET seal_id = CASE position WHEN %s THEN %s ELSE %s END "
            "WHERE position IN (%s, %s)",
            *(one.position, one.seal_id, other.seal_id, one.position, other.position),
        )


@found_as("seal", "signature")
def edit_a_seal(rng: random.Random) -> None:
    change = rng.choice(
        [
            "first = first + 1",
            "size = size + 1",
            "root = set_byte(root, 3, get_byte(root, 3) # 1)",
            "previous = set_byte(previous, 3, get_byte(previous, 3) # 1)",
            "month = month + 31",
            "sealed_at = sealed_at + interval '1 microsecond'",
            "statement = set_byte(statement, 60, get_byte(statement, 60) # 1)",
            "signature = set_byte(signature, 9, get_byte(signature, 9) # 1)",
            "key_id = reverse(key_id)",
            "horizon = (horizon::bigint + 1)::text",
            "system = '7'",
        ]
    )
    sql(f"UPDATE compliance_seal SET {change} WHERE number = %s", seal(rng).number)


@found_as("gap")
def delete_a_seal(rng: random.Random) -> None:
    gone = seal(rng, but=1)
    inside = [gone.first, gone.first + gone.size - 1]
    if rng.random() < 0.5:
        events = "SELECT event FROM compliance_sealedevent WHERE position BETWEEN %s AND %s"
        sql(f"DELETE FROM compliance_auditevent WHERE id IN ({events})", *inside)
    sql("DELETE FROM compliance_sealedevent WHERE position BETWEEN %s AND %s", *inside)
    sql("DELETE FROM compliance_seal WHERE number = %s", gone.number)


@found_as("gap", "signature")
def add_a_seal(rng: random.Random) -> None:
    copied = seal(rng)
    copied.number = rng.choice([0, -1, Seal.objects.count() + rng.randint(1, 3)])
    copied.save(force_insert=True)


@found_as("rollback")
def cut_the_tail(rng: random.Random) -> None:
    cut(rng.randint(1, 39)) if rng.random() < 0.9 else [sql(f"DELETE FROM {table}") for table in TABLES]


@found_as("checkpoint")
def go_on_from_an_older_snapshot(rng: random.Random) -> None:
    """A database set back and in use again: its seals are genuine, and others than those that were anchored."""
    last = cut(seal(rng, but=1).number)
    moment = last.sealed_at
    for _ in range(rng.randint(1, 5)):
        moment += timedelta(minutes=rng.randint(1, 9))
        for _ in range(rng.randint(1, 4)):
            insert(rng, moment - timedelta(seconds=1), xid=int(last.horizon))
        seal_at(moment)
    sql("DELETE FROM compliance_seal WHERE number > 40")


@found_as("signature")
def sign_with_another_key(rng: random.Random) -> None:
    """Everything from a seal on, after a change; the checkpoints too, where they can be reached."""
    event = leaf(rng).event
    edit(rng, event)
    rehash(event)
    number = move_leaf(event)
    move_root(number)
    resign(number, Ed25519PrivateKey.generate())
    if rng.random() < 0.5:
        lines = [checkpoints.line(one) for one in Seal.objects.all()]
        checkpoint_file().write_text("\n".join(lines) + "\n")


@found_as("time")
def step_the_clock(rng: random.Random) -> None:
    """The server's clock is set while an event or a seal is made, and set right again."""
    last, now = Seal.objects.latest("number"), clock.now()
    ahead, back = timedelta(seconds=rng.randint(5, 86400)), timedelta(minutes=rng.randint(16, 60 * 24 * 30))
    at, moment = rng.choice(
        [
            (now + ahead, now),
            (last.sealed_at - back, now),
            (now, now + ahead),
            (last.sealed_at - back, last.sealed_at - back),
            (last.sealed_at, last.sealed_at - ahead),
        ]
    )
    insert(rng, at, xid=int(last.horizon))
    seal_at(moment)


# ── Checkpoints ───────────────────────────────────────────────────────────────────────────────────────────────


@found_as("checkpoint")
def edit_the_checkpoints(rng: random.Random) -> None:
    file = checkpoint_file()
    lines = file.read_bytes().splitlines(keepends=True)
    kind = rng.choice(["byte", "byte", "cut", "gone", "noise"])
    if kind == "byte":
        at = rng.randrange(len(lines))
        line = bytearray(lines[at])
        spot = rng.randrange(len(line) - 1)
        line[spot] = rng.choice([byte for byte in b"0123456789ghij" if byte != line[spot]])
        lines[at] = bytes(line)
    elif kind == "cut":
        del lines[-rng.randint(1, len(lines)) :]
    elif kind == "noise":
        lines.insert(rng.randrange(len(lines)), rng.choice([b"{}\n", b"\xff\xfe\n", b"[1]\n", b"null\n"]))
    file.unlink() if kind == "gone" else file.write_bytes(b"".join(lines))
