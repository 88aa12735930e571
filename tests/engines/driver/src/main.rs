//! Makes a store with one published version of the engine, in every state that the version can leave an instance in.
//!
//! Usage: `driver PHASE TARGET`, where a target is `sqlite:PATH`, or `postgres://… SCHEMA`, and a phase is one of
//!
//! * `make`: makes the store, and ends in the middle of a turn and of an activity;
//! * `change`: goes on with orchestrations whose code has changed, and gives up what is fetched a second time;
//! * `halt`: ends in the middle of a turn again, with a message of each kind waiting behind it;
//! * `continue`: goes on with a store that an older version has made, and sends each instance that waits its event.
//!
//! Prints one JSON object: instance -> what the engine says of it, `Completed`, `Failed`, `Running` or `NotStarted`. The
//! process ends without shutting the runtime down, so that what is in a worker's hands stays locked.

#[macro_use]
mod api;
mod orchestrations;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use duroxide::providers::Provider;
use duroxide::runtime::{OrchestrationStatus, Runtime, RuntimeOptions};
use duroxide::Client;

use orchestrations::Phase;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;
type Instance = (&'static str, &'static str, &'static str);

/// Instance, orchestration and input of what is started first.
const MADE: &[Instance] = &[
    ("completed", "Work", "1"),
    ("failed", "Fail", "no reason"),
    ("panicked", "Panic", ""),
    ("activity-failed", "FailedWork", ""),
    ("activity-given-up", "GiveUp", "20"),
    ("activity-unregistered", "CallNobody", ""),
    ("timed", "Sleep", "20"),
    ("sleeping", "Sleep", "86400000"),
    ("waiting", "Wait", ""),
    ("told", "Wait", ""),
    ("cancelled", "Wait", ""),
    ("race-by-timer", "Race", "20"),
    ("race-by-event", "Race", "86400000"),
    ("race-open", "Race", "86400000"),
    ("race-lost-and-waiting", "RaceThenWait", "20"),
    ("parent", "Parent", "Work"),
    ("parent-of-failed", "Parent", "Fail"),
    ("parent-waiting", "Parent", "Wait"),
    ("parent-cancelled", "Parent", "Wait"),
    ("detaching", "Detach", "detached"),
    ("chain", "Chain", "3"),
    ("chain-pruned", "Chain", "4"),
    ("chain-waiting", "ChainThenWait", "2"),
    ("values", "Values", ""),
    ("values-waiting", "ValuesThenWait", ""),
    ("status", "Status", ""),
    ("status-waiting", "StatusThenWait", "2"),
    ("queued", "Dequeue", ""),
    ("queued-given-up", "DequeueOrNot", "20"),
    ("keys", "Keys", "1"),
    ("keys-waiting", "KeysThenWait", "2"),
    ("keys-cleared", "KeysCleared", ""),
    ("in-session", "InSession", "Double"),
    ("changed", "Changing", ""),
    ("poisoned-activity", "InHand", ""),
    // What waits for the last phase.
    ("activity-untold", "WaitThenWork", "Nap"),
    ("activity-untold-of-failure", "WaitThenWork", "NapAndBreak"),
    ("parent-untold", "Parent", "Wait"),
    ("parent-untold-of-failure", "Parent", "WaitThenFail"),
    ("chain-midway", "WaitThenChain", "1"),
    ("event-untold", "Wait", ""),
    ("cancellation-untold", "Wait", ""),
    ("letter-untold", "Dequeue", ""),
];

/// What is started last, before a turn that does not end.
const HALTED: &[Instance] = &[
    ("in-hand", "InHand", ""),
    ("in-session-in-hand", "InSession", "Hold"),
    ("tagged", "Tagged", ""),
    ("unregistered-later", "NobodyKnows", ""),
    ("turn-in-hand", "Block", ""),
];

/// Instances that are sent an event while the store is made.
const TOLD: &[&str] = &["told", "race-by-event"];

/// Instances that are sent an event before the turn that does not end.
const TOLD_LAST: &[&str] = &[
    "activity-untold",
    "activity-untold-of-failure",
    "parent-untold::sub::2",
    "parent-untold-of-failure::sub::2",
    "chain-midway",
];

/// Instances that are sent an event once the store is continued, and end.
const TOLD_LATER: &[&str] = &[
    "race-open",
    "race-lost-and-waiting",
    "parent-waiting::sub::2",
    "chain-waiting",
    "chain-midway",
    "status-waiting",
    "keys-waiting",
    "values-waiting",
];

#[tokio::main(worker_threads = 8)]
async fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let phase = Phase::named(&words[0]);
    let store = open(&words[1], words.get(2).map(String::as_str)).await?;
    let client = Client::new(store.clone());
    if phase == Phase::Halt {
        halt(&client).await?;
    }
    let runtime = Runtime::start_with_options(
        store,
        orchestrations::activities().into(),
        orchestrations::all(phase),
        options(phase),
    )
    .await;
    match phase {
        Phase::Make => make(&client).await?,
        Phase::Change => client.raise_event("changed", "go", "gone").await?,
        Phase::Halt => {
            // Behind the turn that does not end: nobody takes these.
            tokio::time::sleep(Duration::from_millis(2_500)).await;
            client.raise_event("event-untold", "go", "gone").await?;
            client.cancel_instance("cancellation-untold", "not wanted").await?;
            #[cfg(feature = "queues")]
            client.enqueue_event("letter-untold", "letters", "one").await?;
            client.start_orchestration("start-untold", "Work", "1").await?;
        }
        Phase::Continue => go_on(&client).await?,
    }
    settled(&client).await?;
    if phase == Phase::Make {
        client.start_orchestration("poisoned-turn", "Block", "").await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    println!("{}", serde_json::to_string(&states(&client).await?)?);
    drop(runtime);
    std::process::exit(0);
}

fn options(phase: Phase) -> RuntimeOptions {
    let options = RuntimeOptions {
        orchestration_concurrency: 1,
        worker_concurrency: 8,
        ..Default::default()
    };
    // What the process leaves in its hands can be taken up again soon.
    #[cfg(feature = "poison")]
    let options = RuntimeOptions {
        orchestrator_lock_timeout: Duration::from_secs(2),
        worker_lock_timeout: Duration::from_secs(if phase == Phase::Halt { 30 } else { 2 }),
        max_attempts: if phase == Phase::Change { 1 } else { options.max_attempts },
        ..options
    };
    let _ = phase;
    options
}

async fn make(client: &Client) -> Outcome<()> {
    let known = orchestrations::names();
    for (instance, name, input) in MADE.iter().filter(|(_, name, _)| known.contains(name)) {
        client.start_orchestration(*instance, *name, *input).await?;
    }
    client.start_orchestration("unregistered", "NobodyKnows", "").await?;
    client.start_orchestration_versioned("version-missing", "Work", "9.9.9", "").await?;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    for instance in TOLD {
        client.raise_event(*instance, "go", "gone").await?;
    }
    #[cfg(feature = "queues")]
    for letter in ["one", "two"] {
        client.enqueue_event("queued", "letters", letter).await?;
    }
    client.cancel_instance("cancelled", "not wanted").await?;
    client.cancel_instance("parent-cancelled", "not wanted").await?;
    settled(client).await?;
    #[cfg(feature = "pruning")]
    client
        .prune_executions("chain-pruned", duroxide::PruneOptions { keep_last: Some(2), ..Default::default() })
        .await?;
    Ok(())
}

async fn halt(client: &Client) -> Outcome<()> {
    let known = orchestrations::names();
    for instance in TOLD_LAST {
        client.raise_event(*instance, "go", "gone").await?;
    }
    for (instance, name, input) in HALTED {
        if known.contains(name) || *name == "NobodyKnows" {
            client.start_orchestration(*instance, *name, *input).await?;
        }
    }
    Ok(())
}

async fn go_on(client: &Client) -> Outcome<()> {
    settled(client).await?;
    let there = states(client).await?;
    for instance in TOLD_LATER {
        if there.contains_key(instance.split("::").next().unwrap()) {
            client.raise_event(*instance, "go", "gone").await?;
        }
    }
    Ok(())
}

async fn open(target: &str, schema: Option<&str>) -> Outcome<Arc<dyn Provider>> {
    Ok(match schema {
        None => Arc::new(duroxide::providers::sqlite::SqliteProvider::new(target, None).await?),
        Some(name) => Arc::new(duroxide_pg::PostgresProvider::new_with_schema(target, Some(name)).await?),
    })
}

/// Waits until no state has changed for some time, for at most half a minute.
async fn settled(client: &Client) -> Outcome<()> {
    let mut before = BTreeMap::new();
    let mut quiet = 0;
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = states(client).await?;
        quiet = if now == before { quiet + 1 } else { 0 };
        if quiet == 8 {
            break;
        }
        before = now;
    }
    Ok(())
}

/// What the engine says of each instance; what an older version cannot run, or nobody has started, is not there.
async fn states(client: &Client) -> Outcome<BTreeMap<&'static str, &'static str>> {
    let mut states = BTreeMap::new();
    let others = ["unregistered", "version-missing", "poisoned-turn", "start-untold", "detached"];
    for instance in MADE.iter().chain(HALTED).map(|(instance, _, _)| *instance).chain(others) {
        // An engine that cannot read a history any more says nothing of the instance.
        let state = match client.get_orchestration_status(instance).await {
            Ok(OrchestrationStatus::Completed { .. }) => "Completed",
            Ok(OrchestrationStatus::Failed { .. }) => "Failed",
            Ok(OrchestrationStatus::Running { .. }) => "Running",
            Ok(OrchestrationStatus::NotFound) => continue,
            Err(_) => "Unreadable",
        };
        states.insert(instance, state);
    }
    Ok(states)
}
