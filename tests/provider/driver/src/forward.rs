//! The engine's interface to a store, each call of which another process answers.
//!
//! Events and messages go as the texts that the engine makes of them, for that is what a store keeps; times go in ms.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use duroxide::providers::{
    DispatcherCapabilityFilter, ExecutionMetadata, KvEntry, OrchestrationItem, Provider, ProviderAdmin, ProviderError,
    ScheduledActivityIdentifier, SessionFetchConfig, TagFilter, WorkItem,
};
use duroxide::{Event, SystemStats};
use serde_json::{json, Value};

use crate::connection::Connection;

pub type Outcome<T> = Result<T, ProviderError>;

/// A store that another process holds.
pub struct ForwardingProvider {
    pub connection: Connection,
}

impl ForwardingProvider {
    pub fn new(socket: &str) -> Self {
        Self { connection: Connection::new(socket) }
    }

    pub async fn call(&self, operation: &str, arguments: Value) -> Outcome<Value> {
        self.connection.call(operation, arguments).await
    }
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

fn texts<T: serde::Serialize>(records: &[T]) -> Vec<String> {
    records.iter().map(|record| serde_json::to_string(record).unwrap()).collect()
}

pub fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_string)
}

pub fn names(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().filter_map(text).collect()
}

/// Read events or messages, which the engine has to understand.
fn read<T: serde::de::DeserializeOwned>(operation: &str, value: &Value) -> Outcome<Vec<T>> {
    let read = names(value).iter().map(|text| serde_json::from_str(text)).collect::<Result<Vec<T>, _>>();
    read.map_err(|error| ProviderError::permanent(operation, format!("the engine cannot read an answer: {error}")))
}

fn tags(filter: &TagFilter) -> Value {
    let (kind, names): (&str, Vec<&String>) = match filter {
        TagFilter::DefaultOnly => ("default_only", vec![]),
        TagFilter::Tags(names) => ("tags", names.iter().collect()),
        TagFilter::DefaultAnd(names) => ("default_and", names.iter().collect()),
        TagFilter::Any => ("any", vec![]),
        TagFilter::None => ("none", vec![]),
    };
    json!({"kind": kind, "names": names})
}

fn versions(filter: Option<&DispatcherCapabilityFilter>) -> Value {
    let Some(filter) = filter else { return Value::Null };
    let numbers = |version: &semver::Version| json!([version.major, version.minor, version.patch]);
    filter.supported_duroxide_versions.iter().map(|range| json!([numbers(&range.min), numbers(&range.max)])).collect()
}

fn metadata(given: &ExecutionMetadata) -> Value {
    let pinned = given.pinned_duroxide_version.as_ref();
    json!({
        "status": given.status,
        "output": given.output,
        "orchestration_name": given.orchestration_name,
        "orchestration_version": given.orchestration_version,
        "parent_instance_id": given.parent_instance_id,
        "pinned_version": pinned.map(|version| [version.major, version.minor, version.patch]),
    })
}

#[async_trait]
impl Provider for ForwardingProvider {
    fn name(&self) -> &str {
        "holystone"
    }

    async fn fetch_orchestration_item(
        &self,
        lock_timeout: Duration,
        _poll_timeout: Duration,
        filter: Option<&DispatcherCapabilityFilter>,
    ) -> Outcome<Option<(OrchestrationItem, String, u32)>> {
        let operation = "fetch_orchestration_item";
        let asked = json!({"lock_timeout_ms": ms(lock_timeout), "supported": versions(filter)});
        let found = self.call(operation, asked).await?;
        if found.is_null() {
            return Ok(None);
        }
        let entry = |entry: &Value| KvEntry {
            value: text(&entry[0]).unwrap(),
            last_updated_at_ms: entry[1].as_u64().unwrap(),
        };
        let keys = found["kv"].as_object().unwrap();
        let item = OrchestrationItem {
            instance: text(&found["instance_id"]).unwrap(),
            orchestration_name: text(&found["orchestration_name"]).unwrap(),
            execution_id: found["execution_id"].as_u64().unwrap(),
            version: text(&found["orchestration_version"]).unwrap(),
            history: read(operation, &found["history"])?,
            messages: read(operation, &found["messages"])?,
            history_error: text(&found["history_error"]),
            kv_snapshot: keys.iter().map(|(key, kept)| (key.clone(), entry(kept))).collect(),
        };
        Ok(Some((item, text(&found["lock_token"]).unwrap(), found["attempt_count"].as_u64().unwrap() as u32)))
    }

    async fn ack_orchestration_item(
        &self,
        lock_token: &str,
        execution_id: u64,
        history_delta: Vec<Event>,
        worker_items: Vec<WorkItem>,
        orchestrator_items: Vec<WorkItem>,
        given: ExecutionMetadata,
        cancelled_activities: Vec<ScheduledActivityIdentifier>,
    ) -> Outcome<()> {
        let cancelled: Vec<_> =
            cancelled_activities.iter().map(|one| json!([one.instance, one.execution_id, one.activity_id])).collect();
        let turn = json!({
            "lock_token": lock_token,
            "execution_id": execution_id,
            "history_delta": texts(&history_delta),
            "worker_items": texts(&worker_items),
            "orchestrator_items": texts(&orchestrator_items),
            "metadata": metadata(&given),
            "cancelled_activities": cancelled,
        });
        self.call("ack_orchestration_item", turn).await.map(drop)
    }

    async fn abandon_orchestration_item(
        &self,
        lock_token: &str,
        delay: Option<Duration>,
        ignore_attempt: bool,
    ) -> Outcome<()> {
        let given = json!({"lock_token": lock_token, "delay_ms": delay.map(ms), "ignore_attempt": ignore_attempt});
        self.call("abandon_orchestration_item", given).await.map(drop)
    }

    async fn renew_orchestration_item_lock(&self, token: &str, extend_for: Duration) -> Outcome<()> {
        let given = json!({"lock_token": token, "extend_ms": ms(extend_for)});
        self.call("renew_orchestration_item_lock", given).await.map(drop)
    }

    async fn read(&self, instance: &str) -> Outcome<Vec<Event>> {
        read("read", &self.call("read_history", json!({"instance_id": instance})).await?)
    }

    async fn read_with_execution(&self, instance: &str, execution_id: u64) -> Outcome<Vec<Event>> {
        let asked = json!({"instance_id": instance, "execution_id": execution_id});
        read("read_with_execution", &self.call("read_history", asked).await?)
    }

    async fn append_with_execution(&self, _: &str, _: u64, _: Vec<Event>) -> Outcome<()> {
        Err(ProviderError::permanent("append_with_execution", "only a turn appends events"))
    }

    async fn enqueue_for_worker(&self, item: WorkItem) -> Outcome<()> {
        self.call("enqueue_for_worker", json!({"work_item": serde_json::to_string(&item).unwrap()})).await.map(drop)
    }

    async fn enqueue_for_orchestrator(&self, item: WorkItem, delay: Option<Duration>) -> Outcome<()> {
        let given = json!({"work_item": serde_json::to_string(&item).unwrap(), "delay_ms": delay.map(ms)});
        self.call("enqueue_for_orchestrator", given).await.map(drop)
    }

    async fn fetch_work_item(
        &self,
        lock_timeout: Duration,
        _poll_timeout: Duration,
        session: Option<&SessionFetchConfig>,
        tag_filter: &TagFilter,
    ) -> Outcome<Option<(WorkItem, String, u32)>> {
        let session = session
            .map(|held| json!({"owner_id": held.owner_id, "lock_timeout_ms": ms(held.lock_timeout)}));
        let asked = json!({"lock_timeout_ms": ms(lock_timeout), "session": session, "tags": tags(tag_filter)});
        let found = self.call("fetch_work_item", asked).await?;
        if found.is_null() {
            return Ok(None);
        }
        let item = read("fetch_work_item", &json!([found["item"]]))?.remove(0);
        Ok(Some((item, text(&found["lock_token"]).unwrap(), found["attempt_count"].as_u64().unwrap() as u32)))
    }

    async fn ack_work_item(&self, token: &str, completion: Option<WorkItem>) -> Outcome<()> {
        let completion = completion.map(|item| serde_json::to_string(&item).unwrap());
        self.call("ack_work_item", json!({"lock_token": token, "completion": completion})).await.map(drop)
    }

    async fn renew_work_item_lock(&self, token: &str, extend_for: Duration) -> Outcome<()> {
        let given = json!({"lock_token": token, "extend_ms": ms(extend_for)});
        self.call("renew_work_item_lock", given).await.map(drop)
    }

    async fn abandon_work_item(&self, token: &str, delay: Option<Duration>, ignore_attempt: bool) -> Outcome<()> {
        let given = json!({"lock_token": token, "delay_ms": delay.map(ms), "ignore_attempt": ignore_attempt});
        self.call("abandon_work_item", given).await.map(drop)
    }

    async fn renew_session_lock(
        &self,
        owner_ids: &[&str],
        extend_for: Duration,
        idle_timeout: Duration,
    ) -> Outcome<usize> {
        let given =
            json!({"owner_ids": owner_ids, "extend_ms": ms(extend_for), "idle_timeout_ms": ms(idle_timeout)});
        Ok(self.call("renew_session_lock", given).await?.as_u64().unwrap() as usize)
    }

    async fn cleanup_orphaned_sessions(&self, _idle_timeout: Duration) -> Outcome<usize> {
        Ok(self.call("cleanup_orphaned_sessions", json!({})).await?.as_u64().unwrap() as usize)
    }

    async fn get_custom_status(&self, instance: &str, last_seen: u64) -> Outcome<Option<(Option<String>, u64)>> {
        let asked = json!({"instance_id": instance, "last_seen_version": last_seen});
        let found = self.call("get_custom_status", asked).await?;
        Ok(found.as_array().map(|found| (text(&found[0]), found[1].as_u64().unwrap())))
    }

    async fn get_kv_value(&self, instance: &str, key: &str) -> Outcome<Option<String>> {
        Ok(text(&self.call("get_kv_value", json!({"instance_id": instance, "key": key})).await?))
    }

    async fn get_kv_all_values(&self, instance: &str) -> Outcome<HashMap<String, String>> {
        let found = self.call("get_kv_all_values", json!({"instance_id": instance})).await?;
        Ok(found.as_object().unwrap().iter().map(|(key, value)| (key.clone(), text(value).unwrap())).collect())
    }

    async fn get_instance_stats(&self, instance: &str) -> Outcome<Option<SystemStats>> {
        let found = self.call("get_instance_stats", json!({"instance_id": instance})).await?;
        Ok(serde_json::from_value(found).unwrap())
    }

    fn as_management_capability(&self) -> Option<&dyn ProviderAdmin> {
        Some(self)
    }
}
