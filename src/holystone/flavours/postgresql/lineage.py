"""The shapes of a PostgreSQL store: after each of the engine's migrations, many of which change functions alone.

The facts are those of `introspection.py`, and tests compare all of them with what the engine's versions make. The
functions are declared in `functions.py`.
"""

from holystone.flavours.lineage import Lineage

_MIGRATIONS = """
1 initial_schema
+ column executions.instance_id: text not null
+ column executions.execution_id: bigint not null
+ column executions.status: text not null default 'Running'::text
+ column executions.output: text
+ column executions.started_at: timestamp with time zone default CURRENT_TIMESTAMP
+ column executions.completed_at: timestamp with time zone
+ column history.instance_id: text not null
+ column history.execution_id: bigint not null
+ column history.event_id: bigint not null
+ column history.event_type: text not null
+ column history.event_data: text not null
+ column history.created_at: timestamp with time zone default CURRENT_TIMESTAMP
+ column instance_locks.instance_id: text not null
+ column instance_locks.lock_token: text not null
+ column instance_locks.locked_until: bigint not null
+ column instance_locks.locked_at: bigint not null
+ column instances.instance_id: text not null
+ column instances.orchestration_name: text not null
+ column instances.orchestration_version: text
+ column instances.current_execution_id: bigint not null default 1
+ column instances.created_at: timestamp with time zone default CURRENT_TIMESTAMP
+ column instances.updated_at: timestamp with time zone default CURRENT_TIMESTAMP
+ column orchestrator_queue.id: bigint not null default nextval
+ column orchestrator_queue.instance_id: text not null
+ column orchestrator_queue.work_item: text not null
+ column orchestrator_queue.visible_at: timestamp with time zone default CURRENT_TIMESTAMP
+ column orchestrator_queue.lock_token: text
+ column orchestrator_queue.locked_until: bigint
+ column orchestrator_queue.created_at: timestamp with time zone default CURRENT_TIMESTAMP
+ column worker_queue.id: bigint not null default nextval
+ column worker_queue.work_item: text not null
+ column worker_queue.visible_at: timestamp with time zone default CURRENT_TIMESTAMP
+ column worker_queue.lock_token: text
+ column worker_queue.locked_until: bigint
+ column worker_queue.created_at: timestamp with time zone default CURRENT_TIMESTAMP
+ key executions: (instance_id, execution_id)
+ key history: (instance_id, execution_id, event_id)
+ key instance_locks: (instance_id)
+ key instances: (instance_id)
+ key orchestrator_queue: (id)
+ key worker_queue: (id)
+ index idx_history_lookup: on history (instance_id, execution_id, event_id)
+ index idx_instance_locks_locked_until: on instance_locks (locked_until)
+ index idx_orch_instance: on orchestrator_queue (instance_id)
+ index idx_orch_lock: on orchestrator_queue (lock_token)
+ index idx_orch_visible: on orchestrator_queue (visible_at, lock_token)
+ index idx_worker_available: on worker_queue (lock_token, id)
+ index idx_worker_visible: on worker_queue (visible_at, lock_token)
2 create_stored_procedures
3 add_attempt_count
+ column orchestrator_queue.attempt_count: integer not null default 0
+ column worker_queue.attempt_count: integer not null default 0
4 update_stored_procedures_for_attempt_count
5 add_visible_at_to_worker_queue
6 use_rust_timestamps
7 add_execution_state_support
8 remove_execution_state
9 add_activity_cancellation_support
+ column worker_queue.instance_id: text
+ column worker_queue.execution_id: bigint
+ column worker_queue.activity_id: bigint
+ index idx_worker_activity_lookup: on worker_queue (instance_id, execution_id, activity_id)
10 add_deletion_and_pruning_support
+ column instances.parent_instance_id: text
+ index idx_instances_parent: on instances (parent_instance_id)
11 fix_cancellation_ordering
12 require_timestamps
+ column executions.started_at: timestamp with time zone not null
+ column history.created_at: timestamp with time zone not null
+ column instances.created_at: timestamp with time zone not null
+ column instances.updated_at: timestamp with time zone not null
+ column orchestrator_queue.visible_at: timestamp with time zone not null
+ column orchestrator_queue.created_at: timestamp with time zone not null
+ column worker_queue.visible_at: timestamp with time zone not null
+ column worker_queue.created_at: timestamp with time zone not null
13 add_capability_filtering
+ column executions.duroxide_version_major: integer
+ column executions.duroxide_version_minor: integer
+ column executions.duroxide_version_patch: integer
14 add_session_support
+ column sessions.session_id: text not null
+ column sessions.worker_id: text not null
+ column sessions.locked_until: bigint not null
+ column sessions.last_activity_at: bigint not null
+ column worker_queue.session_id: text
+ key sessions: (session_id)
+ index idx_worker_queue_session_id: on worker_queue (session_id)
15 add_custom_status
+ column instances.custom_status: text
+ column instances.custom_status_version: integer not null default 0
16 add_activity_tags
+ column worker_queue.tag: text
+ index idx_worker_queue_tag: on worker_queue (tag)
17 retry_orchestration_fetch_on_contention
18 add_kv_store
+ column kv_store.instance_id: text not null
+ column kv_store.key: text not null
+ column kv_store.value: text not null
+ column kv_store.execution_id: bigint not null
+ key kv_store: (instance_id, key)
+ index idx_kv_store_execution: on kv_store (instance_id, execution_id)
19 add_kv_last_updated
+ column kv_store.last_updated_at_ms: bigint not null default 0
20 add_kv_delta
+ column kv_delta.instance_id: text not null
+ column kv_delta.key: text not null
+ column kv_delta.value: text
+ column kv_delta.last_updated_at_ms: bigint not null
+ key kv_delta: (instance_id, key)
21 add_get_instance_stats
23 partial_secondary_indexes
+ index idx_orch_lock: on orchestrator_queue (lock_token) where lock_token IS NOT NULL
+ index idx_worker_queue_session_id: on worker_queue (session_id) where session_id IS NOT NULL
+ index idx_worker_queue_tag: on worker_queue (tag) where tag IS NOT NULL
25 fetch_orchestration_lease_at_claim
26 serialize_orchestration_lock_mutations
+ index idx_instance_locks_lock_token: unique on instance_locks (lock_token)
"""
_FIRST_PUBLISHED = """
- column worker_queue.visible_at
- index idx_worker_visible
"""
"""Versions 0.1.0 to 0.1.6 of the provider made worker_queue without this, which the fifth migration then adds."""

LINEAGE = Lineage.parse(_MIGRATIONS, variants=dict.fromkeys(range(1, 5), _FIRST_PUBLISHED))
