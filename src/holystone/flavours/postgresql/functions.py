"""The functions of a PostgreSQL store, in which the engine's logic lives: which there are, and that they are its own.

A function is told by a digest of its text, its arguments and its result; of a text in which the schema, comments and
spaces do not count. The digests are of all the published versions of the engine's PostgreSQL provider, 0.1.0 to 0.1.38.
Its second migration was edited after it was published, so that a function has several texts there, and some
(`optional`) not every version makes.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import ARRAY, Connection, Text, bindparam, text

from holystone.flavours.lineage import Lineage
from holystone.flavours.postgresql.ledger import ledger
from holystone.flavours.postgresql.lineage import LINEAGE
from holystone.flavours.structure import Functions

FUNCTIONS = Lineage.parse("""
1 initial_schema
2 create_stored_procedures
+ function abandon_orchestration_item(text, bigint): optional b20c26d80199
+ function abandon_orchestration_item(text, bigint, boolean): optional af0e857d144c
+ function abandon_work_item(text, bigint, boolean): optional 1f01669a5a4e 8f3bceadeda2
+ function ack_orchestration_item(text, bigint, jsonb, jsonb, jsonb, jsonb): 59cb3313fa22
+ function ack_worker(text, text, text): 3cca3e6685ff a8e5c6c404b8
+ function append_history(text, bigint, jsonb): b2d9010a9bd1
+ function cleanup_schema(): e884008683c2 fa260345b906
+ function enqueue_orchestrator_work(text, text, timestamp with time zone, text, text, bigint): ef564af8adcc
+ function enqueue_worker_work(text): 2c9e2c33e8ed 4a0665dcef10
+ function fetch_history(text): a3c10fdf1b50
+ function fetch_history_with_execution(text, bigint): d991f944f400
+ function fetch_orchestration_item(bigint, bigint): 39722ed36bb2 a6e5d256318e e3c986da9809
+ function fetch_work_item(bigint, bigint): 0fd47cf17247 e58bbda9319c ee4dbf9a434a
+ function get_execution_info(text, bigint): 3790fd5ef0e0
+ function get_instance_info(text): d9df04ccef7f
+ function get_queue_depths(bigint): 7504c7fff1d5 f83a303e66eb
+ function get_system_metrics(): e18a85f6a01f
+ function latest_execution_id(text): 07d45b1ee513
+ function list_executions(text): e09666e9e63b
+ function list_instances(): 9e71914ddb21
+ function list_instances_by_status(text): a28906edc8d3
+ function renew_orchestration_item_lock(text, bigint, bigint): optional aee17f2b801c
+ function renew_work_item_lock(text, bigint, bigint): f4de974f7afc
3 add_attempt_count
4 update_stored_procedures_for_attempt_count
- function abandon_orchestration_item(text, bigint)
+ function abandon_orchestration_item(text, bigint, boolean): a72ab750bbaf
+ function abandon_work_item(text, bigint, boolean): 8f3bceadeda2
+ function fetch_orchestration_item(bigint, bigint): a6e5d256318e
+ function fetch_work_item(bigint, bigint): e58bbda9319c
+ function renew_orchestration_item_lock(text, bigint, bigint): aee17f2b801c
5 add_visible_at_to_worker_queue
+ function abandon_work_item(text, bigint, boolean): 1f01669a5a4e
+ function enqueue_worker_work(text): 2c9e2c33e8ed
+ function fetch_work_item(bigint, bigint): ee4dbf9a434a
+ function get_queue_depths(bigint): f83a303e66eb
6 use_rust_timestamps
- function abandon_orchestration_item(text, bigint, boolean)
- function abandon_work_item(text, bigint, boolean)
- function ack_worker(text, text, text)
- function enqueue_worker_work(text)
+ function abandon_orchestration_item(text, bigint, bigint, boolean): 4d043bc37034
+ function abandon_work_item(text, bigint, bigint, boolean): 54fbf1282e8d
+ function ack_orchestration(text, jsonb, bigint): f481feaa7fe7
+ function ack_worker(text, text, text, bigint): badbdecc38d1
+ function enqueue_completion(text, text, bigint): 03a88f5987bc
+ function enqueue_message(text, text, bigint, bigint): d4b536cfbf67
+ function enqueue_orchestration_work(text, text, bigint): 453b98dea63f
+ function enqueue_worker_work(text, bigint): a035861861e6
7 add_execution_state_support
+ function fetch_work_item(bigint, bigint): 062e0630b604
+ function renew_work_item_lock(text, bigint, bigint): 5c05d0987135
8 remove_execution_state
+ function fetch_work_item(bigint, bigint): ee4dbf9a434a
+ function renew_work_item_lock(text, bigint, bigint): f4de974f7afc
9 add_activity_cancellation_support
- function ack_orchestration_item(text, bigint, jsonb, jsonb, jsonb, jsonb)
- function enqueue_worker_work(text, bigint)
+ function ack_orchestration_item(text, bigint, jsonb, jsonb, jsonb, jsonb, jsonb): 9c405e8d7064
+ function enqueue_worker_work(text, bigint, text, bigint, bigint): 71518199b33f
10 add_deletion_and_pruning_support
+ function ack_orchestration_item(text, bigint, jsonb, jsonb, jsonb, jsonb, jsonb): ddc924376e84
+ function delete_instances_atomic(text[], boolean): 2a2ba3c6e78c
+ function get_instance_info(text): a6b94a0c94cf
+ function get_parent_id(text): ae1a9981b85f
+ function list_children(text): ea77318c2815
+ function prune_executions(text, integer, bigint): 3802d9e004ec
11 fix_cancellation_ordering
+ function ack_orchestration_item(text, bigint, jsonb, jsonb, jsonb, jsonb, jsonb): ae49c1865938
12 require_timestamps
- function ack_orchestration_item(text, bigint, jsonb, jsonb, jsonb, jsonb, jsonb)
+ function ack_orchestration_item(text, bigint, bigint, jsonb, jsonb, jsonb, jsonb, jsonb): 7f0ce5aacc26
13 add_capability_filtering
- function fetch_orchestration_item(bigint, bigint)
+ function ack_orchestration_item(text, bigint, bigint, jsonb, jsonb, jsonb, jsonb, jsonb): c4cd3c8dbd34
+ function cleanup_schema(): 254469e2eae8
+ function fetch_orchestration_item(bigint, bigint, bigint, bigint): 13a04dec1c48
14 add_session_support
- function enqueue_worker_work(text, bigint, text, bigint, bigint)
- function fetch_work_item(bigint, bigint)
+ function ack_orchestration_item(text, bigint, bigint, jsonb, jsonb, jsonb, jsonb, jsonb): 14fe5bef629b
+ function ack_worker(text, text, text, bigint): 7d07566cc7ae
+ function cleanup_orphaned_sessions(bigint): 58c79a292f11
+ function cleanup_schema(): cc7c8913e083
+ function enqueue_worker_work(text, bigint, text, bigint, bigint, text): 005eb389d694
+ function fetch_work_item(bigint, bigint, text, bigint): f99a2d923065
+ function renew_session_lock(text[], bigint, bigint, bigint): 02f3c472e9d0
+ function renew_work_item_lock(text, bigint, bigint): 2b01a7c84b5c
15 add_custom_status
+ function ack_orchestration_item(text, bigint, bigint, jsonb, jsonb, jsonb, jsonb, jsonb): ade997d2945a
+ function ack_worker(text, text, text, bigint): 76dcb8572125
+ function cleanup_schema(): b0c2e0036d8c
+ function get_custom_status(text, bigint): c53a1381ab6b
16 add_activity_tags
- function enqueue_worker_work(text, bigint, text, bigint, bigint, text)
- function fetch_work_item(bigint, bigint, text, bigint)
+ function ack_orchestration_item(text, bigint, bigint, jsonb, jsonb, jsonb, jsonb, jsonb): 7630db1e41c1
+ function cleanup_schema(): b08a19de1e72
+ function enqueue_worker_work(text, bigint, text, bigint, bigint, text, text): a5f9ac5ae997
+ function fetch_work_item(bigint, bigint, text, bigint, text[], text): 82a7d1cde54b
17 retry_orchestration_fetch_on_contention
+ function fetch_orchestration_item(bigint, bigint, bigint, bigint): 130031dbc1ee
18 add_kv_store
+ function ack_orchestration_item(text, bigint, bigint, jsonb, jsonb, jsonb, jsonb, jsonb): 4fd8ac2bd1e9
+ function cleanup_schema(): 66a73a4849ca
+ function delete_instances_atomic(text[], boolean): 916afa0ccbb8
+ function fetch_orchestration_item(bigint, bigint, bigint, bigint): c4461de8c1a0
+ function prune_executions(text, integer, bigint): eb0186a70e47
19 add_kv_last_updated
+ function ack_orchestration_item(text, bigint, bigint, jsonb, jsonb, jsonb, jsonb, jsonb): f91a5ffbba27
+ function fetch_orchestration_item(bigint, bigint, bigint, bigint): 2ba8a3516793
+ function prune_executions(text, integer, bigint): 98c2f8fe8993
20 add_kv_delta
+ function ack_orchestration_item(text, bigint, bigint, jsonb, jsonb, jsonb, jsonb, jsonb): 3b73e873beae
+ function cleanup_schema(): 94b2e05bef45
+ function delete_instances_atomic(text[], boolean): 1db298f334f0
+ function get_kv_all_values(text): ed2de07e6c26
+ function get_kv_value(text, text): 2fae6c92d85b
21 add_get_instance_stats
+ function cleanup_schema(): 752baaa5c10b
+ function get_instance_stats(text): 35f56c075478
23 partial_secondary_indexes
25 fetch_orchestration_lease_at_claim
+ function fetch_orchestration_item(bigint, bigint, bigint, bigint): 97880fb4f399
26 serialize_orchestration_lock_mutations
+ function ack_orchestration_item(text, bigint, bigint, jsonb, jsonb, jsonb, jsonb, jsonb): 8bdd3a47a7ae
+ function renew_orchestration_item_lock(text, bigint, bigint): 908dd6e3b179
""")

OPTIONAL = "optional"
_FUNCTION = "function "


@dataclass(frozen=True)
class Function:
    """A function as it stands in a schema.

    `digest` tells its text, `schemas` are those that the text names with one of the engine's tables or functions,
    and `oddities` what else of it is not as the engine declares its functions, in PostgreSQL's words.
    """

    signature: str
    digest: str
    schemas: frozenset[str]
    oddities: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.signature.partition("(")[0]


def known(version: int) -> dict[str, Collection[str]]:
    """Return the functions that the engine has after a migration: signature -> what is said of it, words apart."""
    facts = next(level.facts for level in FUNCTIONS.levels if level.version == version)
    return {name.removeprefix(_FUNCTION): what.split() for name, what in facts.items()}


_OF_THE_ENGINE = {name.removeprefix(_FUNCTION).partition("(")[0] for level in FUNCTIONS.levels for name in level.facts}
_NAMES = sorted({ledger.name, *LINEAGE.tables, *_OF_THE_ENGINE})
_QUALIFIED = re.compile(rf'(?:"((?:[^"]|"")*)"|(?<![\w$."])([A-Za-z_][\w$]*))\s*\.\s*(?=(?:{"|".join(_NAMES)})\b)')
_COMMENT = re.compile(r"--[^\n]*")
_SPACES = re.compile(r"\s+")

_READ = text(
    "SELECT p.proname || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')', p.prosrc,"
    " pg_catalog.pg_get_function_arguments(p.oid), pg_catalog.pg_get_function_result(p.oid),"
    " pg_catalog.concat_ws(', ', CASE WHEN p.prokind <> 'f' THEN 'not an ordinary function' END,"
    " CASE WHEN l.lanname <> 'plpgsql' THEN 'in language ' || l.lanname END,"
    " CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' END,"
    " CASE WHEN p.proisstrict THEN 'strict' END, CASE WHEN p.prosecdef THEN 'security definer' END,"
    " CASE WHEN p.proparallel <> 'u' THEN 'parallel safe or restricted' END,"
    " 'set ' || pg_catalog.array_to_string(p.proconfig, ', '))"
    " FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace"
    " JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang WHERE n.nspname = :schema ORDER BY 1"
)

_SCHEMAS = text("SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname = ANY (:schemas)").bindparams(
    bindparam("schemas", type_=ARRAY(Text))
)


def read(connection: Connection, schema: str) -> Iterator[Function]:
    """Yield the functions of a schema, others' among them, by signature."""
    for signature, source, arguments, result, oddities in connection.execute(_READ, {"schema": schema}):
        said, schemas = unqualified(source)
        # A procedure has no result.
        digest = hashlib.sha256("\0".join([said, arguments, result or ""]).encode()).hexdigest()[:12]
        yield Function(signature, digest, schemas, tuple(filter(None, [oddities])))


def unqualified(source: str) -> tuple[str, frozenset[str]]:
    """Return a function's text without schemas, comments and needless spaces, and the schemas that it named."""
    schemas = set()

    def note(qualifier: re.Match[str]) -> str:
        schemas.add(qualifier[2] or qualifier[1].replace('""', '"'))
        return ""

    said = _QUALIFIED.sub(note, _COMMENT.sub("", source))
    return _SPACES.sub(" ", said).strip(), frozenset(schemas)


def wrong(connection: Connection, schema: str, version: int | None) -> Functions:
    """Return what is wrong with the functions of a schema after a migration of the engine's.

    Of a migration that nobody knows here, it can be told alone whether the functions name their own schema.
    """
    found = list(read(connection, schema))
    elsewhere = Counter(
        other for function in found if function.name in _OF_THE_ENGINE for other in function.schemas - {schema}
    )
    there = connection.execute(_SCHEMAS, {"schemas": list(elsewhere)}).scalars().all()
    gone = tuple(name for name in elsewhere if name not in there)
    if version is None:
        return Functions((), {}, dict(elsewhere), gone)
    wanted = known(version)
    names = {signature.partition("(")[0] for signature in wanted}
    signatures = {function.signature for function in found}
    missing = [one for one, digests in wanted.items() if OPTIONAL not in digests and one not in signatures]
    altered = {
        function.signature: fault
        for function in found
        if function.name in names and (fault := _fault(function, wanted.get(function.signature)))
    }
    return Functions(tuple(missing), altered, dict(elsewhere), gone)


def _fault(function: Function, digests: Collection[str] | None) -> str | None:
    """Return what of a function with a name of the engine's is not the engine's own."""
    if digests is None:
        return "is none of the engine's, and has the name of one"
    if function.digest not in digests:
        return "has another text, or other names of arguments, than any version of the engine gave it"
    return f"is {', '.join(function.oddities)}" if function.oddities else None
