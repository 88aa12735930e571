//! Makes a store with one published version of the engine, in every state that the version can leave an instance in.
//!
//! Usage: `driver sqlite:PATH` or `driver postgres://… SCHEMA`. Prints one JSON object: instance -> the state in which
//! it is left, `Completed`, `Failed`, `Running` or `NotStarted`. The process ends without shutting the runtime down,
//! so that what is in a worker's hands stays locked.

#[macro_use]
mod api;
mod orchestrations;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use duroxide::providers::Provider;
use duroxide::runtime::{OrchestrationStatus, Runtime, RuntimeOptions};
use duroxide::Client;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Instance, orchestration and input of what is started, and the state in which it is to be left.
const INSTANCES: &[(&str, &str, &str, &str)] = &[
    ("completed", "Work", "1", "Completed"),
    ("failed", "Fail", "no reason", "Failed"),
    ("activity-failed", "FailedWork", "", "Failed"),
    ("timed", "Sleep", "20", "Completed"),
    ("sleeping", "Sleep", "86400000", "Running"),
    ("waiting", "Wait", "", "Running"),
    ("told", "Wait", "", "Completed"),
    ("cancelled", "Wait", "", "Failed"),
    ("race-by-timer", "Race", "20", "Completed"),
    ("race-by-event", "Race", "86400000", "Completed"),
    ("race-open", "Race", "86400000", "Running"),
    ("race-lost-and-waiting", "RaceThenWait", "20", "Running"),
    ("parent", "Parent", "Work", "Completed"),
    ("parent-of-failed", "Parent", "Fail", "Failed"),
    ("parent-waiting", "Parent", "Wait", "Running"),
    ("parent-cancelled", "Parent", "Wait", "Failed"),
    ("detaching", "Detach", "detached", "Completed"),
    ("chain", "Chain", "3", "Completed"),
    ("chain-waiting", "ChainThenWait", "2", "Running"),
    ("values", "Values", "", "Completed"),
    ("status", "Status", "", "Completed"),
    ("status-waiting", "StatusThenWait", "2", "Running"),
    ("queued", "Dequeue", "", "Completed"),
    ("keys", "Keys", "1", "Completed"),
    ("keys-waiting", "KeysThenWait", "2", "Running"),
    ("in-session", "InSession", "", "Completed"),
    ("in-hand", "InHand", "", "Running"),
];

/// Instances that hear of an event, or get a letter.
const TOLD: &[&str] = &["told", "race-by-event"];

#[tokio::main]
async fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let store = open(&words[0], words.get(1).map(String::as_str)).await?;
    let options = RuntimeOptions { orchestration_concurrency: 1, worker_concurrency: 2, ..Default::default() };
    let runtime =
        Runtime::start_with_options(store.clone(), orchestrations::activities().into(), orchestrations::all(), options)
            .await;
    let client = Client::new(store);

    let known = orchestrations::names();
    let chosen: Vec<_> = INSTANCES.iter().filter(|(_, name, _, _)| known.contains(name)).collect();
    for (instance, name, input, _) in &chosen {
        client.start_orchestration(*instance, *name, *input).await?;
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    for instance in TOLD {
        client.raise_event(*instance, "go", "gone").await?;
    }
    #[cfg(feature = "queues")]
    for letter in ["one", "two"] {
        client.enqueue_event("queued", "letters", letter).await?;
    }
    client.cancel_instance("cancelled", "not wanted").await?;
    client.cancel_instance("parent-cancelled", "not wanted").await?;

    let mut states: BTreeMap<String, &str> = BTreeMap::new();
    for (instance, _, _, state) in &chosen {
        if *state != "Running" {
            let seen = ended(&client, instance).await?;
            assert_eq!(seen, *state, "{instance}");
        }
        states.insert((*instance).to_string(), state);
    }
    // What ends has ended; what was cancelled with it, or is in a worker's hands, needs a moment more.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    drop(runtime);

    client.start_orchestration("unregistered-yet", "NobodyKnows", "").await.ok();
    states.insert("unregistered-yet".to_string(), "NotStarted");
    println!("{}", serde_json::to_string(&states)?);
    std::process::exit(0);
}

async fn open(target: &str, schema: Option<&str>) -> Outcome<Arc<dyn Provider>> {
    Ok(match schema {
        None => Arc::new(duroxide::providers::sqlite::SqliteProvider::new(target, None).await?),
        Some(name) => Arc::new(duroxide_pg::PostgresProvider::new_with_schema(target, Some(name)).await?),
    })
}

async fn ended(client: &Client, instance: &str) -> Outcome<&'static str> {
    let status = client
        .wait_for_orchestration(instance, Duration::from_secs(30))
        .await
        .map_err(|error| format!("{instance}: {error:?}"))?;
    Ok(match status {
        OrchestrationStatus::Completed { .. } => "Completed",
        OrchestrationStatus::Failed { .. } => "Failed",
        _ => "Running",
    })
}
