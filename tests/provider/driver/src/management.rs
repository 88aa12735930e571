//! The engine's interface to the management of a store, forwarded like the rest.

use async_trait::async_trait;
use duroxide::providers::{
    DeleteInstanceResult, ExecutionInfo, InstanceFilter, InstanceInfo, InstanceTree, ProviderAdmin, PruneOptions,
    PruneResult, QueueDepths, SystemMetrics,
};
use duroxide::Event;
use serde_json::{json, Value};

use crate::forward::{names, text, ForwardingProvider, Outcome};
use duroxide::providers::Provider;

fn filtered(filter: &InstanceFilter) -> Value {
    json!({
        "instance_ids": filter.instance_ids,
        "completed_before": filter.completed_before,
        "limit": filter.limit,
    })
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn deleted(counts: &Value) -> DeleteInstanceResult {
    DeleteInstanceResult {
        instances_deleted: number(&counts["instances_deleted"]),
        executions_deleted: number(&counts["executions_deleted"]),
        events_deleted: number(&counts["events_deleted"]),
        queue_messages_deleted: number(&counts["queue_messages_deleted"]),
    }
}

fn pruned(counts: &Value) -> PruneResult {
    PruneResult {
        instances_processed: number(&counts["instances_processed"]),
        executions_deleted: number(&counts["executions_deleted"]),
        events_deleted: number(&counts["events_deleted"]),
    }
}

#[async_trait]
impl ProviderAdmin for ForwardingProvider {
    async fn list_instances(&self) -> Outcome<Vec<String>> {
        Ok(names(&self.call("list_instances", json!({})).await?))
    }

    async fn list_instances_by_status(&self, status: &str) -> Outcome<Vec<String>> {
        Ok(names(&self.call("list_instances_by_status", json!({"status": status})).await?))
    }

    async fn list_executions(&self, instance: &str) -> Outcome<Vec<u64>> {
        let found = self.call("list_execution_ids", json!({"instance_id": instance})).await?;
        Ok(found.as_array().unwrap().iter().map(number).collect())
    }

    async fn read_history_with_execution_id(&self, instance: &str, execution_id: u64) -> Outcome<Vec<Event>> {
        self.read_with_execution(instance, execution_id).await
    }

    async fn read_history(&self, instance: &str) -> Outcome<Vec<Event>> {
        self.read(instance).await
    }

    async fn latest_execution_id(&self, instance: &str) -> Outcome<u64> {
        Ok(number(&self.call("latest_execution_id", json!({"instance_id": instance})).await?))
    }

    async fn get_instance_info(&self, instance: &str) -> Outcome<InstanceInfo> {
        let found = self.call("get_instance_info", json!({"instance_id": instance})).await?;
        Ok(InstanceInfo {
            instance_id: text(&found["instance_id"]).unwrap(),
            orchestration_name: text(&found["orchestration_name"]).unwrap(),
            orchestration_version: text(&found["orchestration_version"]).unwrap(),
            current_execution_id: number(&found["current_execution_id"]),
            status: text(&found["status"]).unwrap(),
            output: text(&found["output"]),
            created_at: number(&found["created_at"]),
            updated_at: number(&found["updated_at"]),
            parent_instance_id: text(&found["parent_instance_id"]),
        })
    }

    async fn get_execution_info(&self, instance: &str, execution_id: u64) -> Outcome<ExecutionInfo> {
        let asked = json!({"instance_id": instance, "execution_id": execution_id});
        let found = self.call("get_execution_info", asked).await?;
        Ok(ExecutionInfo {
            execution_id: number(&found["execution_id"]),
            status: text(&found["status"]).unwrap(),
            output: text(&found["output"]),
            started_at: number(&found["started_at"]),
            completed_at: found["completed_at"].as_u64(),
            event_count: number(&found["event_count"]) as usize,
        })
    }

    async fn get_system_metrics(&self) -> Outcome<SystemMetrics> {
        let found = self.call("get_system_metrics", json!({})).await?;
        Ok(SystemMetrics {
            total_instances: number(&found["total_instances"]),
            total_executions: number(&found["total_executions"]),
            running_instances: number(&found["running_instances"]),
            completed_instances: number(&found["completed_instances"]),
            failed_instances: number(&found["failed_instances"]),
            total_events: number(&found["total_events"]),
        })
    }

    async fn get_queue_depths(&self) -> Outcome<QueueDepths> {
        let found = self.call("get_queue_depths", json!({})).await?;
        Ok(QueueDepths {
            orchestrator_queue: number(&found["orchestrator_queue"]) as usize,
            worker_queue: number(&found["worker_queue"]) as usize,
            timer_queue: 0,
        })
    }

    async fn list_children(&self, instance_id: &str) -> Outcome<Vec<String>> {
        Ok(names(&self.call("list_children", json!({"instance_id": instance_id})).await?))
    }

    async fn get_parent_id(&self, instance_id: &str) -> Outcome<Option<String>> {
        Ok(text(&self.call("get_parent_id", json!({"instance_id": instance_id})).await?))
    }

    async fn get_instance_tree(&self, instance_id: &str) -> Outcome<InstanceTree> {
        let found = self.call("get_instance_tree", json!({"instance_id": instance_id})).await?;
        Ok(InstanceTree { root_id: text(&found["root_id"]).unwrap(), all_ids: names(&found["all_ids"]) })
    }

    async fn delete_instance(&self, instance_id: &str, force: bool) -> Outcome<DeleteInstanceResult> {
        let given = json!({"instance_id": instance_id, "force": force});
        Ok(deleted(&self.call("delete_instance", given).await?))
    }

    async fn delete_instances_atomic(&self, ids: &[String], force: bool) -> Outcome<DeleteInstanceResult> {
        let given = json!({"instance_ids": ids, "force": force});
        Ok(deleted(&self.call("delete_instances_atomic", given).await?))
    }

    async fn delete_instance_bulk(&self, filter: InstanceFilter) -> Outcome<DeleteInstanceResult> {
        Ok(deleted(&self.call("delete_instance_bulk", json!({"filter": filtered(&filter)})).await?))
    }

    async fn prune_executions(&self, instance_id: &str, options: PruneOptions) -> Outcome<PruneResult> {
        let given = json!({
            "instance_id": instance_id,
            "keep_last": options.keep_last,
            "completed_before": options.completed_before,
        });
        Ok(pruned(&self.call("prune_executions", given).await?))
    }

    async fn prune_executions_bulk(&self, filter: InstanceFilter, options: PruneOptions) -> Outcome<PruneResult> {
        let given = json!({
            "filter": filtered(&filter),
            "keep_last": options.keep_last,
            "completed_before": options.completed_before,
        });
        Ok(pruned(&self.call("prune_executions_bulk", given).await?))
    }
}
