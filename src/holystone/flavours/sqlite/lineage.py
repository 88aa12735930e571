"""The shapes of a SQLite store: after each of the engine's migrations, and where the engine gave these up.

The facts are those of `introspection.py`, and tests compare all of them with what the engine's versions make.
"""

from holystone.flavours.lineage import Lineage

FALLBACK = "fallback"
"""The shape that the engine makes by hand, all at once, when one of its migrations fails.

No later migration of the engine reaches such a store. When it opens the store again, it runs them from the first
one, which adds the table timer_queue, and fails at the second one, whose columns are there already.
"""

_MIGRATIONS = """
20240101000000 initial schema
+ column executions.instance_id: TEXT not null
+ column executions.execution_id: INTEGER not null
+ column executions.status: TEXT not null default 'Running'
+ column executions.output: TEXT
+ column executions.started_at: TIMESTAMP default CURRENT_TIMESTAMP
+ column executions.completed_at: TIMESTAMP
+ column history.instance_id: TEXT not null
+ column history.execution_id: INTEGER not null
+ column history.event_id: INTEGER not null
+ column history.event_type: TEXT not null
+ column history.event_data: TEXT not null
+ column history.created_at: TIMESTAMP default CURRENT_TIMESTAMP
+ column instance_locks.instance_id: TEXT
+ column instance_locks.lock_token: TEXT not null
+ column instance_locks.locked_until: INTEGER not null
+ column instance_locks.locked_at: INTEGER not null
+ column instances.instance_id: TEXT
+ column instances.orchestration_name: TEXT not null
+ column instances.orchestration_version: TEXT not null
+ column instances.current_execution_id: INTEGER not null default 1
+ column instances.created_at: TIMESTAMP default CURRENT_TIMESTAMP
+ column instances.updated_at: TIMESTAMP default CURRENT_TIMESTAMP
+ column orchestrator_queue.id: INTEGER
+ column orchestrator_queue.instance_id: TEXT not null
+ column orchestrator_queue.work_item: TEXT not null
+ column orchestrator_queue.visible_at: TIMESTAMP default CURRENT_TIMESTAMP
+ column orchestrator_queue.lock_token: TEXT
+ column orchestrator_queue.locked_until: TIMESTAMP
+ column orchestrator_queue.created_at: TIMESTAMP default CURRENT_TIMESTAMP
+ column timer_queue.id: INTEGER
+ column timer_queue.work_item: TEXT not null
+ column timer_queue.fire_at: TIMESTAMP not null
+ column timer_queue.lock_token: TEXT
+ column timer_queue.locked_until: TIMESTAMP
+ column timer_queue.created_at: TIMESTAMP default CURRENT_TIMESTAMP
+ column worker_queue.id: INTEGER
+ column worker_queue.work_item: TEXT not null
+ column worker_queue.lock_token: TEXT
+ column worker_queue.locked_until: TIMESTAMP
+ column worker_queue.created_at: TIMESTAMP default CURRENT_TIMESTAMP
+ key executions: (instance_id, execution_id)
+ key history: (instance_id, execution_id, event_id)
+ key instance_locks: (instance_id)
+ key instances: (instance_id)
+ key orchestrator_queue: (id) autoincrement
+ key timer_queue: (id) autoincrement
+ key worker_queue: (id) autoincrement
+ index idx_orch_instance: on orchestrator_queue (instance_id)
+ index idx_orch_lock: on orchestrator_queue (lock_token)
+ index idx_orch_visible: on orchestrator_queue (visible_at, lock_token)
+ index idx_timer_fire: on timer_queue (fire_at, lock_token)
+ index idx_worker_available: on worker_queue (lock_token, id)
20240102000000 add attempt count
+ column orchestrator_queue.attempt_count: INTEGER not null default 0
+ column worker_queue.attempt_count: INTEGER not null default 0
+ check orchestrator_queue (attempt_count >= 0)
+ check worker_queue (attempt_count >= 0)
20240103000000 add worker visible at
+ column worker_queue.visible_at: INTEGER not null default 0
20240104000000 add worker activity identity
+ column worker_queue.instance_id: TEXT
+ column worker_queue.execution_id: INTEGER
+ column worker_queue.activity_id: INTEGER
+ index idx_worker_activity: on worker_queue (instance_id, execution_id, activity_id)
20240105000000 add parent instance id
+ column instances.parent_instance_id: TEXT
+ index idx_instances_parent: on instances (parent_instance_id)
+ foreign key instances (parent_instance_id): references instances (instance_id)
20240106000000 add pinned version
+ column executions.duroxide_version_major: INTEGER
+ column executions.duroxide_version_minor: INTEGER
+ column executions.duroxide_version_patch: INTEGER
20240107000000 add sessions
+ column sessions.session_id: TEXT
+ column sessions.worker_id: TEXT not null
+ column sessions.locked_until: INTEGER not null
+ column sessions.last_activity_at: INTEGER not null
+ column worker_queue.session_id: TEXT
+ key sessions: (session_id)
+ index idx_worker_queue_session: on worker_queue (session_id)
20240108000000 add custom status
+ column instances.custom_status: TEXT
+ column instances.custom_status_version: INTEGER not null default 0
20240109000000 add activity tags
+ column worker_queue.tag: TEXT
+ index idx_worker_queue_tag: on worker_queue (tag)
20240110000000 add kv store
+ column kv_store.instance_id: TEXT not null
+ column kv_store.key: TEXT not null
+ column kv_store.value: TEXT not null
+ column kv_store.execution_id: INTEGER not null
+ key kv_store: (instance_id, key)
+ index idx_kv_store_execution: on kv_store (instance_id, execution_id)
20240111000000 add kv last updated
+ column kv_store.last_updated_at_ms: INTEGER not null default 0
20240112000000 add kv delta
- column kv_store.execution_id
- index idx_kv_store_execution
+ column kv_delta.instance_id: TEXT not null
+ column kv_delta.key: TEXT not null
+ column kv_delta.value: TEXT
+ column kv_delta.last_updated_at_ms: INTEGER not null
+ key kv_delta: (instance_id, key)
"""

_OPENED_AGAIN = """
- index idx_worker_activity
+ column instances.orchestration_version: TEXT
+ column worker_queue.execution_id: TEXT
+ index idx_worker_identity: on worker_queue (instance_id, execution_id, activity_id)
"""

_FALLBACK = f"""
{_OPENED_AGAIN}
- column timer_queue.id
- column timer_queue.work_item
- column timer_queue.fire_at
- column timer_queue.lock_token
- column timer_queue.locked_until
- column timer_queue.created_at
- key timer_queue
- index idx_timer_fire
"""

LINEAGE = Lineage.parse(_MIGRATIONS, {FALLBACK: _FALLBACK, f"{FALLBACK}, opened again": _OPENED_AGAIN})
