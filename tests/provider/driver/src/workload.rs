//! Instances of every kind, what becomes of them, and what is told of them when they have ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use duroxide::providers::{Provider, TagFilter};
use duroxide::runtime::{OrchestrationStatus, Runtime, RuntimeOptions, UnregisteredBackoffConfig};
use duroxide::Client;
use serde_json::{json, Value};

use crate::orchestrations;

/// How long to wait for all instances to end, once nothing seems to happen any more.
const ENDED: Duration = Duration::from_secs(120);
/// How long to wait for an instance after that.
const LATE: Duration = Duration::from_millis(100);
/// Nothing has happened for so long: whatever goes on by itself has ended, or waits.
const QUIET: Duration = Duration::from_secs(6);

/// More than there are activities that keep theirs until they are given up.
const WORKERS: usize = 20;

/// What a client does to an instance.
pub enum Act {
    Raise(&'static str, &'static str),
    Enqueue(&'static str),
    Cancel,
    StartAgain,
}
use Act::{Cancel, Enqueue, Raise, StartAgain};

/// A kind of instance: its name and its orchestration, what the inputs of its instances are taken from in turn, what
/// is done at once, and what is done once all has settled.
pub type Kind = (&'static str, &'static str, &'static [&'static str], &'static [Act], &'static [Act]);

/// Kinds that end in the same way on every store.
pub const KINDS: &[Kind] = &[
    ("steps", "Steps", &["0", "1", "2", "3"], &[], &[]),
    ("fan-out", "FanOut", &["2", "5", "12"], &[], &[]),
    ("fan-out-fails", "FanOut", &["Break 1", "Break 3"], &[], &[]),
    ("activity-fails", "FailedWork", &["", "naïve 🦀 \"quoted\"\n"], &[], &[]),
    ("retried", "Retried", &["3", "4"], &[], &[]),
    ("retried-in-vain", "Retried", &["1", "2"], &[], &[]),
    ("out-of-time", "OutOfTime", &[""], &[], &[]),
    ("unknown-activity", "UnknownActivity", &["1"], &[], &[]),
    ("tagged", "Tagged", &["1"], &[], &[]),
    ("in-session", "InSession", &["1", "2"], &[], &[]),
    ("sleeping", "Sleep", &["0", "10", "700"], &[], &[]),
    ("alarms", "Alarms", &["1", "6"], &[], &[]),
    ("far-timer", "FarTimer", &[""], &[], &[Raise("go", "gone")]),
    ("told", "Wait", &[""], &[], &[Raise("go", "gone")]),
    ("told-more", "Wait", &[""], &[], &[Raise("go", "naïve 🦀 \"quoted\"\n")]),
    ("told-twice", "WaitTwice", &[""], &[], &[Raise("go", "one"), Raise("go", "two")]),
    ("told-in-vain", "Steps", &["1"], &[], &[Raise("go", "gone"), Enqueue("gone")]),
    ("race-by-timer", "Race", &["timer"], &[], &[]),
    ("race-by-event", "Race", &["event"], &[], &[Raise("go", "gone")]),
    ("race-lost", "Race", &["then"], &[], &[Raise("then", "gone")]),
    ("queued", "Dequeue", &["2"], &[], &[Enqueue("a"), Enqueue("b")]),
    ("queued-at-once", "Dequeue", &["2"], &[], &[Enqueue("a"), Enqueue("b")]),
    ("queue-race", "DequeueRace", &[""], &[], &[Enqueue("a")]),
    ("queue-chain", "DequeueChain", &[""], &[], &[Enqueue("a"), Enqueue("b"), Enqueue("c"), Enqueue("d")]),
    ("values", "Values", &[""], &[], &[]),
    ("failed", "Fail", &["no reason", "", "naïve 🦀"], &[], &[]),
    ("panicked", "Panic", &["1"], &[], &[]),
    ("fickle", "Fickle", &["1"], &[], &[]),
    ("unregistered", "NobodyKnows", &[""], &[], &[]),
    ("parent", "Parent", &["Steps", "ChainAtOnce"], &[], &[]),
    ("parent-of-failed", "Parent", &["Fail", "FailedWork", "NobodyKnows"], &[], &[]),
    ("parent-of-chain", "Grandparent", &["Chain", "Keys"], &[], &[]),
    ("parent-cancelled", "Parent", &["Wait"], &[], &[Cancel]),
    ("grandparent-cancelled", "Grandparent", &["Wait"], &[], &[Cancel]),
    ("children", "Children", &["2", "4"], &[], &[]),
    ("named-child", "NamedChild", &["1", "2"], &[], &[]),
    ("same-child-twice", "SameChildTwice", &["1"], &[], &[]),
    ("child-dropped", "DropChild", &["800"], &[], &[]),
    ("child-left", "LeaveChild", &["800"], &[], &[]),
    ("detaching", "Detach", &["1", "2"], &[], &[]),
    ("chain", "Chain", &["1", "4"], &[], &[]),
    ("chain-at-once", "ChainAtOnce", &["1", "3"], &[], &[]),
    ("chain-told", "DequeueChain", &[""], &[], &[Enqueue("ab"), Raise("go", "in vain"), Enqueue("cd")]),
    ("upgraded", "Upgraded", &["1"], &[], &[]),
    ("cancelled", "Wait", &[""], &[], &[Cancel]),
    ("cancelled-at-once", "Wait", &[""], &[Cancel], &[Cancel]),
    ("cancelled-at-work", "FanOut", &["Slow 1", "Slow 2"], &[], &[Cancel]),
    ("cancelled-in-vain", "Steps", &["2"], &[], &[Cancel]),
    ("started-twice", "Steps", &["1"], &[StartAgain], &[StartAgain]),
    ("keys", "Keys", &["0", "2"], &[], &[]),
    ("keys-cleared", "KeysCleared", &["1", "2"], &[], &[]),
    ("keys-of-other", "KeysOfOther", &["1", "2"], &[], &[]),
    ("status", "Status", &["0", "1", "3"], &[], &[]),
    ("at-limits", "AtLimits", &["1"], &[], &[]),
    ("value-too-long", "OverLimit", &["value", "value ends", "value fails", "value continues"], &[], &[]),
    ("too-many-keys", "OverLimit", &["keys", "keys ends", "keys continues", "keys detaches"], &[], &[]),
    ("status-too-long", "OverLimit", &["status", "status ends", "status fails", "status continues"], &[], &[]),
    ("tag-too-long", "OverLimit", &["tag", "tag ends"], &[], &[]),
    ("limit-in-child", "LimitInChild", &["value ends"], &[], &[]),
];

/// Kinds with a child that is scheduled and dropped in the last turn: on SQLite the engine's own store halts on them.
pub const FORGETFUL: &[Kind] = &[
    (
        "forgets-child",
        "ForgetChild",
        &["ends", "fails", "continues", "of a stranger", "beside another"],
        &[],
        &[],
    ),
    ("stranger", "Wait", &[""], &[], &[Raise("go", "gone")]),
    ("parent-cancelled-at-once", "Parent", &["Wait"], &[Cancel], &[]),
    ("beside", "Steps", &["0", "1", "2", "3"], &[], &[]),
];

/// Run so many instances of each kind to their ends, with so many dispatchers side by side, and return what the engine
/// tells of all that there are then.
pub async fn run(store: Arc<dyn Provider>, kinds: &'static [Kind], of_each: usize, dispatchers: usize) -> Value {
    let options = RuntimeOptions {
        orchestration_concurrency: dispatchers,
        worker_concurrency: WORKERS,
        dispatcher_min_poll_interval: Duration::from_millis(400),
        unregistered_backoff: UnregisteredBackoffConfig {
            base_delay: Duration::from_millis(50),
            max_delay: Duration::from_millis(200),
        },
        max_attempts: 6,
        activity_cancellation_grace_period: Duration::from_millis(500),
        worker_tag_filter: TagFilter::default_and(["gpu"]),
        ..Default::default()
    };
    let activities = orchestrations::activities().into();
    let runtime = Runtime::start_with_options(store.clone(), activities, orchestrations::all(), options).await;
    let client = Client::new(store);
    let instances: Vec<_> =
        (0..of_each).flat_map(|n| kinds.iter().map(move |kind| (format!("{}-{n}", kind.0), n, kind))).collect();
    for (instance, n, (_, orchestration, inputs, at_once, _)) in &instances {
        let input = inputs[n % inputs.len()];
        client.start_orchestration(instance, *orchestration, input).await.expect("a start");
        act(&client, instance, orchestration, input, at_once).await;
    }
    settle(&client).await;
    for (instance, n, (kind, orchestration, inputs, _, later)) in &instances {
        if kind.ends_with("in-vain") && !later.is_empty() {
            // What comes later is to come after the end.
            client.wait_for_orchestration(instance, ENDED).await.expect("an end");
        }
        act(&client, instance, orchestration, inputs[n % inputs.len()], later).await;
    }
    settle(&client).await;
    let deadline = Instant::now() + ENDED;
    for (instance, _, _) in &instances {
        let left = deadline.saturating_duration_since(Instant::now()).max(LATE);
        if client.wait_for_orchestration(instance, left).await.is_err() {
            eprintln!("{instance} has not ended");
        }
    }
    let told = tell(&client).await;
    runtime.shutdown(Some(5_000)).await;
    told
}

/// Wait until no history grows any more.
async fn settle(client: &Client) {
    let (mut before, mut since) = (0, Instant::now());
    while since.elapsed() < QUIET {
        tokio::time::sleep(QUIET / 10).await;
        let events = client.get_system_metrics().await.expect("metrics").total_events;
        if events != before {
            (before, since) = (events, Instant::now());
        }
    }
}

async fn act(client: &Client, instance: &str, orchestration: &str, input: &str, acts: &[Act]) {
    for act in acts {
        let done = match act {
            Raise(name, data) => client.raise_event(instance, *name, *data).await,
            Enqueue(data) => client.enqueue_event(instance, "letters", *data).await,
            Cancel => client.cancel_instance(instance, "not wanted").await,
            StartAgain => client.start_orchestration(instance, orchestration, input).await,
        };
        done.expect("a message");
    }
}

/// Return instance -> status, output, custom status and its version, keys, statistics, and of each execution the
/// types of its events.
async fn tell(client: &Client) -> Value {
    let mut told = BTreeMap::new();
    for instance in client.list_all_instances().await.expect("instances") {
        let (status, output, custom, version) = match client.get_orchestration_status(&instance).await {
            Ok(OrchestrationStatus::Completed { output, custom_status, custom_status_version }) => {
                ("Completed", output, custom_status, custom_status_version)
            }
            Ok(OrchestrationStatus::Failed { details, custom_status, custom_status_version }) => {
                ("Failed", details.display_message(), custom_status, custom_status_version)
            }
            Ok(OrchestrationStatus::Running { custom_status, custom_status_version }) => {
                ("Running", String::new(), custom_status, custom_status_version)
            }
            other => ("Unknown", format!("{other:?}"), None, 0),
        };
        let info = client.get_instance_info(&instance).await.expect("an instance");
        let stats = client.get_orchestration_stats(&instance).await.expect("statistics").expect("an instance");
        let keys: BTreeMap<_, _> = client.get_kv_all_values(&instance).await.expect("keys").into_iter().collect();
        let mut executions = BTreeMap::new();
        for execution in client.list_executions(&instance).await.expect("executions") {
            let events = client.read_execution_history(&instance, execution).await.expect("a history");
            let row = client.get_execution_info(&instance, execution).await.expect("an execution");
            let types: Vec<_> = events.iter().map(|event| type_of(event)).collect();
            executions.insert(execution, json!({"status": row.status, "output": row.output, "events": types}));
        }
        told.insert(
            instance,
            json!({
                "status": status,
                "output": output,
                "custom_status": custom,
                "custom_status_version": version,
                "keys": keys,
                "row": [info.status, info.output, info.parent_instance_id, info.orchestration_version],
                "events": stats.history_event_count,
                "key_count": stats.kv_user_key_count,
                "executions": executions,
            }),
        );
    }
    json!(told)
}

fn type_of(event: &duroxide::Event) -> String {
    serde_json::to_value(event).unwrap()["type"].as_str().unwrap().to_string()
}
