//! Makes a store with one published version of the engine, in every state that the version can leave an instance in.
//!
//! Usage: `driver make TARGET` or `driver continue TARGET`, where a target is `sqlite:PATH`, or `postgres://… SCHEMA`.
//! The first makes a store; the second goes on with one that an older version has made, and sends each instance that
//! waits the event that it waits for. Prints one JSON object: instance -> the state in which it is left, `Completed`,
//! `Failed`, `Running` or `NotStarted`. The process ends without shutting the runtime down, so that what is in a
//! worker's hands stays locked.

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
type States = BTreeMap<String, &'static str>;
type Instance = (&'static str, &'static str, &'static str, &'static str);

/// Instance, orchestration and input of what is started, and the state in which it is to be left.
const INSTANCES: &[Instance] = &[
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

/// Instances that are sent an event while the store is made.
const TOLD: &[&str] = &["told", "race-by-event"];

/// Instances that are sent an event once the store is continued.
const TOLD_LATER: &[&str] = &[
    "race-open",
    "race-lost-and-waiting",
    "parent-waiting::sub::2",
    "chain-waiting",
    "status-waiting",
    "keys-waiting",
];

#[tokio::main]
async fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let store = open(&words[1], words.get(2).map(String::as_str)).await?;
    let options = RuntimeOptions { orchestration_concurrency: 1, worker_concurrency: 2, ..Default::default() };
    let runtime =
        Runtime::start_with_options(store.clone(), orchestrations::activities().into(), orchestrations::all(), options)
            .await;
    let client = Client::new(store);
    let known = orchestrations::names();
    let instances: Vec<_> = INSTANCES.iter().filter(|(_, name, _, _)| known.contains(name)).collect();
    let states = match words[0].as_str() {
        "make" => make(&client, &instances).await?,
        _ => go_on(&client, &instances).await?,
    };
    // What was cancelled with its parent, or is in a worker's hands, needs a moment more.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    drop(runtime);
    println!("{}", serde_json::to_string(&states)?);
    std::process::exit(0);
}

async fn make(client: &Client, instances: &[&Instance]) -> Outcome<States> {
    for (instance, name, input, _) in instances {
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

    let mut states = States::new();
    for (instance, _, _, state) in instances {
        if *state != "Running" {
            assert_eq!(ended(client, instance, 30).await?, *state, "{instance}");
        }
        states.insert((*instance).to_string(), state);
    }
    client.start_orchestration("unregistered", "NobodyKnows", "").await?;
    // Later versions wait for somebody who knows it.
    states.insert("unregistered".to_string(), if cfg!(feature = "into-futures") { "Failed" } else { "NotStarted" });
    Ok(states)
}

async fn go_on(client: &Client, instances: &[&Instance]) -> Outcome<States> {
    let mut states = States::new();
    for (instance, _, _, state) in instances {
        // What the version that made the store could not run is not there.
        let status = client.get_orchestration_status(instance).await;
        if !matches!(status, Ok(OrchestrationStatus::NotFound)) {
            states.insert((*instance).to_string(), state);
        }
    }
    for instance in TOLD_LATER {
        if states.contains_key(instance.split("::").next().unwrap()) {
            client.raise_event(*instance, "go", "gone").await?;
        }
    }
    for instance in ["race-open", "race-lost-and-waiting", "parent-waiting", "chain-waiting", "status-waiting", "keys-waiting"] {
        if states.contains_key(instance) {
            states.insert(instance.to_string(), ended(client, instance, 5).await?);
        }
    }
    Ok(states)
}

async fn open(target: &str, schema: Option<&str>) -> Outcome<Arc<dyn Provider>> {
    Ok(match schema {
        None => Arc::new(duroxide::providers::sqlite::SqliteProvider::new(target, None).await?),
        Some(name) => Arc::new(duroxide_pg::PostgresProvider::new_with_schema(target, Some(name)).await?),
    })
}

async fn ended(client: &Client, instance: &str, seconds: u64) -> Outcome<&'static str> {
    Ok(match client.wait_for_orchestration(instance, Duration::from_secs(seconds)).await {
        Ok(OrchestrationStatus::Completed { .. }) => "Completed",
        Ok(OrchestrationStatus::Failed { .. }) => "Failed",
        _ => "Running",
    })
}
