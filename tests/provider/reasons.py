"""Scenarios of the engine's validation suite that do not hold on a store outside the engine, and why.

The suite acks many turns that no engine takes, for it looks at one thing at a time. `Store` refuses them by design, so
that a store cannot drift. Each of these scenarios holds where the same store believes what it is told: see
`believe` in server.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_WAITS = "It is for stores whose fetch waits for work to come; a fetch here answers at once, as that on SQLite does."

CANNOT_HOLD: Mapping[str, str] = {
    "long_polling::test_long_poll_waits_for_timeout": _WAITS,
    "long_polling::test_long_poll_work_item_waits_for_timeout": _WAITS,
}
"""Scenarios that are not for such a store."""


@dataclass(frozen=True)
class Refused:
    """Scenarios with a turn that is refused: why, and words of what is said then."""

    why: str
    said: str
    scenarios: Sequence[str]


REFUSED: Sequence[Refused] = (
    Refused(
        "Its event ids leave some out. The engine numbers them through, and what is missing is found by that.",
        "already; event",
        (
            "custom_status::test_custom_status_set",
            "custom_status::test_custom_status_clear",
            "custom_status::test_custom_status_none_preserves",
            "custom_status::test_custom_status_version_increments",
            "custom_status::test_custom_status_polling_no_change",
            "kv_store::test_kv_set_and_get",
            "kv_store::test_kv_overwrite",
            "kv_store::test_kv_clear_single",
            "kv_store::test_kv_clear_all",
            "kv_store::test_kv_snapshot_in_fetch",
            "kv_store::test_kv_snapshot_after_clear_single",
            "kv_store::test_kv_snapshot_after_clear_all",
            "kv_store::test_kv_execution_id_tracking",
            "kv_store::test_kv_cross_execution_overwrite",
            "kv_store::test_kv_cross_execution_remove_readd",
            "kv_store::test_kv_prune_preserves_overwritten",
            "kv_store::test_kv_prune_preserves_all_keys",
            "kv_store::test_kv_instance_isolation",
            "kv_store::test_kv_delete_instance_cascades",
            "kv_store::test_kv_clear_nonexistent_key",
            "kv_store::test_kv_set_after_clear",
            "kv_store::test_kv_empty_value",
            "kv_store::test_kv_large_value",
            "kv_store::test_kv_special_chars_in_key",
            "kv_store::test_kv_snapshot_cross_execution",
            "kv_store::test_kv_prune_current_execution_protected",
            "kv_store::test_kv_delete_instance_with_children",
            "kv_store::test_kv_clear_isolation",
            "kv_store::test_kv_delta_snapshot_excludes_current_execution",
            "kv_store::test_kv_delta_snapshot_includes_completed_execution",
            "kv_store::test_kv_delta_client_reads_merged",
            "kv_store::test_kv_delta_tombstone_overrides_store",
            "kv_store::test_kv_delta_clear_all_tombstones_store",
            "kv_store::test_kv_delta_merged_on_completion",
            "kv_store::test_kv_delta_merged_on_can",
            "kv_store::test_kv_delta_delete_instance_cascades",
            "kv_store::test_kv_delta_prune_untouched_key_survives",
            "management::test_get_instance_stats_kv",
            "management::test_get_instance_stats_kv_delta_only",
            "management::test_get_instance_stats_kv_merged",
        ),
    ),
    Refused(
        "It has a turn send what only clients and workers send, so as to have the next message in the queue.",
        "which no turn does",
        (
            "capability_filtering::test_fetch_with_filter_none_returns_any_item",
            "capability_filtering::test_fetch_with_compatible_filter_returns_item",
            "capability_filtering::test_fetch_with_incompatible_filter_skips_item",
            "capability_filtering::test_fetch_filter_skips_incompatible_selects_compatible",
            "capability_filtering::test_fetch_filter_does_not_lock_skipped_instances",
            "capability_filtering::test_fetch_filter_boundary_versions",
            "capability_filtering::test_pinned_version_stored_via_ack_metadata",
            "capability_filtering::test_pinned_version_immutable_across_ack_cycles",
            "capability_filtering::test_continue_as_new_execution_gets_own_pinned_version",
            "capability_filtering::test_filter_with_empty_supported_versions_returns_nothing",
            "capability_filtering::test_concurrent_filtered_fetch_no_double_lock",
            "capability_filtering::test_provider_updates_pinned_version_when_told",
            "capability_filtering::test_fetch_corrupted_history_filtered_vs_unfiltered",
            "capability_filtering::test_fetch_deserialization_error_increments_attempt_count",
            "capability_filtering::test_fetch_deserialization_error_eventually_reaches_poison",
            "capability_filtering::test_fetch_filter_applied_before_history_deserialization",
            "capability_filtering::test_fetch_single_range_only_uses_first_range",
            "capability_filtering::test_ack_appends_event_to_corrupted_history",
            "race_replay::test_continue_as_new_queue_race_replay",
            "race_replay::test_legacy_queue_race_decision_preserved",
        ),
    ),
    Refused(
        "Its metadata and its events say different things of status or output: it is the drift that must not be.",
        "claims the status",
        (
            "bulk_deletion::test_delete_instance_bulk_filter_combinations",
            "bulk_deletion::test_delete_instance_bulk_safety_and_limits",
            "bulk_deletion::test_delete_instance_bulk_completed_before_filter",
            "bulk_deletion::test_delete_instance_bulk_cascades_to_children",
            "cancellation::test_fetch_returns_running_state_for_active_orchestration",
            "cancellation::test_fetch_returns_terminal_state_when_orchestration_failed",
            "cancellation::test_renew_returns_running_when_orchestration_active",
            "cancellation::test_renew_returns_terminal_when_orchestration_completed",
            "cancellation::test_cancelled_activities_deleted_from_worker_queue",
            "cancellation::test_batch_cancellation_deletes_multiple_activities",
            "cancellation::test_same_activity_in_worker_items_and_cancelled_is_noop",
            "cancellation::test_orphan_activity_after_instance_force_deletion",
            "deletion::test_delete_terminal_instances",
            "deletion::test_delete_cleans_queues_and_locks",
            "deletion::test_cascade_delete_hierarchy",
            "deletion::test_list_children",
            "deletion::test_delete_get_parent_id",
            "deletion::test_delete_get_instance_tree",
            "deletion::test_delete_instances_atomic",
            "deletion::test_delete_instances_atomic_force",
            "deletion::test_delete_instances_atomic_orphan_detection",
            "lock_expiration::test_worker_lock_renewal_extends_timeout",
            "management::test_list_instances_by_status",
            "management::test_get_execution_info",
            "multi_execution::test_execution_isolation",
            "prune::test_prune_options_combinations",
            "prune::test_prune_safety",
            "prune::test_prune_bulk",
            "prune::test_prune_bulk_includes_running_instances",
            "race_replay::test_duplicate_start_preserves_pinned_handler",
            "race_replay::test_continue_as_new_unregistered_backoff",
            "race_replay::test_continue_as_new_poisoned_successor_is_own_execution",
            "race_replay::test_continue_as_new_duplicate_start",
        ),
    ),
    Refused(
        "It acks the first turn of an instance without the event that starts it: its history would be nobody's.",
        "does not start one",
        (
            "multi_execution::test_latest_execution_detection",
            "multi_execution::test_execution_history_persistence",
            "poison_message::orchestration_attempt_count_starts_at_one",
            "poison_message::orchestration_attempt_count_increments_on_refetch",
            "poison_message::abandon_orchestration_item_ignore_attempt_decrements",
            "poison_message::max_attempt_count_across_message_batch",
        ),
    ),
    Refused(
        "It begins the next execution while the one before goes on by its history.",
        "has not ended with OrchestrationContinuedAsNew",
        (
            "multi_execution::test_execution_id_sequencing",
            "multi_execution::test_continue_as_new_creates_new_execution",
        ),
    ),
    Refused(
        "It has an event that asks for a message, and does not send it: the instance would wait for ever.",
        "that goes with it",
        (
            "atomicity::test_multi_operation_atomic_ack",
            "cancellation::test_fetch_returns_terminal_state_when_orchestration_continued_as_new",
            "race_replay::test_queue_race_cancellation_replay",
            "race_replay::test_continue_as_new_transition_delivery_0_1_30",
            "race_replay::test_continue_as_new_transition_delivery_0_1_31",
        ),
    ),
    Refused(
        "It takes the answer to an activity out of the queue and makes no event of it: the answer would be lost.",
        "and has no event that says so",
        (
            "instance_locking::test_message_tagging_during_lock",
            "instance_locking::test_ack_only_affects_locked_messages",
        ),
    ),
    Refused(
        "It sends a message that no event of its turn asks for, or may still ask for as the execution ends.",
        "and no event that",
        (
            "cancellation::test_fetch_returns_terminal_state_when_orchestration_completed",
            "instance_creation::test_sub_orchestration_instance_creation",
            "tag_filtering::test_tag_preserved_through_ack_orchestration_item",
        ),
    ),
    Refused(
        "It gives up activities that no event of its turn gives up.",
        "Cancelling non-existent activities should not error",
        ("cancellation::test_cancelling_nonexistent_activities_is_idempotent",),
    ),
    Refused(
        "It pins an execution to another engine than the one that began it: no dispatcher might fetch it any more.",
        "pins the engine",
        ("capability_filtering::test_ack_stores_pinned_version_via_metadata_update",),
    ),
    Refused(
        "It gives an event a source which events of that type do not have.",
        "and such an event has none",
        ("deletion::test_stale_activity_after_delete_recreate",),
    ),
    Refused(
        "Its event names another instance than the one whose history it is written to.",
        "has event 1 of",
        ("management::test_get_system_metrics",),
    ),
)

REFUSED_BY_SCENARIO: Mapping[str, Refused] = {
    scenario: refused for refused in REFUSED for scenario in refused.scenarios
}
