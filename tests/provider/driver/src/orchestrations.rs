//! The orchestrations and activities of the workload: each does one thing that the engine knows to do.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use duroxide::runtime::registry::ActivityRegistry;
use duroxide::{
    ActivityContext, BackoffStrategy, Either2, OrchestrationContext as Context, OrchestrationRegistry, RetryPolicy,
};

type Text = Result<String, String>;

/// A timer that fires in the year 12000 or so.
const FAR: Duration = Duration::from_secs(316_000_000_000);
const LONG: Duration = Duration::from_secs(86_400);
const SHORT: Duration = Duration::from_millis(30);

static SEEN: Mutex<Option<HashMap<String, u32>>> = Mutex::new(None);

/// Count how often this process was here before.
fn seen(what: &str) -> u32 {
    let mut counts = SEEN.lock().unwrap();
    let count = counts.get_or_insert_with(HashMap::new).entry(what.to_string()).or_default();
    *count += 1;
    *count - 1
}

fn number(input: &str) -> u64 {
    input.parse().unwrap_or_default()
}

pub fn activities() -> ActivityRegistry {
    ActivityRegistry::builder()
        .register("Double", |_: ActivityContext, input: String| async move { Ok(format!("{input}{input}")) })
        .register("Echo", |_: ActivityContext, input: String| async move { Ok(input) })
        .register("Break", |_: ActivityContext, input: String| async move { Err(format!("broken: {input}")) })
        .register("Flaky", |_: ActivityContext, input: String| async move {
            if seen(&input) < 2 { Err("not yet".to_string()) } else { Ok("at last".to_string()) }
        })
        .register("Slow", |context: ActivityContext, input: String| async move {
            tokio::select! {
                _ = tokio::time::sleep(Duration::from_secs(60)) => Ok(input),
                _ = context.cancelled() => Err("given up".to_string()),
            }
        })
        .build()
}

pub fn all() -> OrchestrationRegistry {
    let registry = OrchestrationRegistry::builder()
        .register("Steps", steps)
        .register("FanOut", fan_out)
        .register("FailedWork", |context: Context, input: String| async move {
            context.schedule_activity("Break", input).await
        })
        .register("Retried", |context: Context, input: String| async move {
            let policy = RetryPolicy::new(number(&input) as u32).with_backoff(BackoffStrategy::Fixed { delay: SHORT });
            let whose = context.instance_id();
            context.schedule_activity_with_retry("Flaky", whose, policy).await
        })
        .register("OutOfTime", |context: Context, input: String| async move {
            let policy = RetryPolicy::new(2).with_timeout(SHORT);
            context.schedule_activity_with_retry("Slow", input, policy).await
        })
        .register("UnknownActivity", |context: Context, input: String| async move {
            context.schedule_activity("NobodyKnows", input).await
        })
        .register("Tagged", |context: Context, input: String| async move {
            context.schedule_activity("Double", input).with_tag("gpu").await
        })
        .register("InSession", |context: Context, input: String| async move {
            let first = context.schedule_activity_on_session("Double", input, context.instance_id()).await?;
            context.schedule_activity_on_session("Double", first, context.instance_id()).await
        })
        .register("Sleep", |context: Context, input: String| async move {
            context.schedule_timer(Duration::from_millis(number(&input))).await;
            Ok("awake".to_string())
        })
        .register("Alarms", |context: Context, input: String| async move {
            let timers = (0..number(&input)).map(|n| context.schedule_timer(Duration::from_millis(10 * n)));
            let fired = context.join(timers.collect::<Vec<_>>()).await;
            Ok(fired.len().to_string())
        })
        .register("FarTimer", |context: Context, _: String| async move {
            match context.select2(context.schedule_wait("go"), context.schedule_timer(FAR)).await {
                Either2::First(data) => Ok(data),
                Either2::Second(()) => Err("after thousands of years".to_string()),
            }
        })
        .register("Wait", |context: Context, _: String| async move { Ok(context.schedule_wait("go").await) })
        .register("WaitTwice", |context: Context, _: String| async move {
            let (first, second) = (context.schedule_wait("go"), context.schedule_wait("go"));
            Ok(format!("{} {}", first.await, second.await))
        })
        .register("Race", race)
        .register("Dequeue", |context: Context, input: String| async move {
            let mut letters = vec![];
            for _ in 0..number(&input) {
                letters.push(context.dequeue_event("letters").await);
            }
            Ok(letters.join(" "))
        })
        .register("DequeueRace", |context: Context, _: String| async move {
            let lost = context.select2(context.dequeue_event("never"), context.schedule_timer(SHORT)).await;
            assert!(matches!(lost, Either2::Second(())));
            Ok(context.dequeue_event("letters").await)
        })
        .register("DequeueChain", |context: Context, input: String| async move {
            let letter = context.dequeue_event("letters").await;
            let read = format!("{input}{letter}");
            if read.len() < 3 { context.continue_as_new(read).await } else { Ok(read) }
        })
        .register("Values", |context: Context, _: String| async move {
            let id = context.new_guid().await?;
            context.utc_now().await?;
            context.schedule_activity("Double", id.clone()).await.map(|twice| (twice.len() == 2 * id.len()).to_string())
        })
        .register("Fail", |_: Context, input: String| async move { Err(input) })
        .register("Panic", |_: Context, input: String| async move {
            if input.is_empty() { Ok(input) } else { panic!("it panics: {input}") }
        })
        .register("Fickle", |context: Context, input: String| async move {
            if seen(&format!("fickle {}", context.instance_id())) == 0 {
                return context.schedule_activity("Double", input).await;
            }
            Ok(context.schedule_wait("of other code").await)
        });
    let registry = families(registry);
    state(registry).build()
}

type Builder = duroxide::runtime::registry::OrchestrationRegistryBuilder;

/// Orchestrations that start others, or themselves anew.
fn families(registry: Builder) -> Builder {
    registry
        .register("Parent", |context: Context, input: String| async move {
            context.schedule_sub_orchestration(input, "from above").await
        })
        .register("Grandparent", |context: Context, input: String| async move {
            context.schedule_sub_orchestration("Parent", input).await
        })
        .register("Children", |context: Context, input: String| async move {
            let children = (0..number(&input)).map(|n| context.schedule_sub_orchestration("Steps", n.to_string()));
            let ended = context.join(children.collect::<Vec<_>>()).await;
            Ok(ended.into_iter().collect::<Result<Vec<_>, _>>()?.join(" "))
        })
        .register("NamedChild", |context: Context, input: String| async move {
            let name = format!("{}-child", context.instance_id());
            context.schedule_sub_orchestration_with_id("Steps", name, input).await
        })
        .register("SameChildTwice", |context: Context, input: String| async move {
            let name = format!("{}-child", context.instance_id());
            let first = context.schedule_sub_orchestration_with_id("Steps", name.clone(), input.clone()).await;
            let second = context.schedule_sub_orchestration_with_id("Steps", name, input).await;
            Ok(format!("{first:?} {}", second.is_err()))
        })
        .register("DropChild", |context: Context, input: String| async move {
            let child = context.schedule_sub_orchestration("Wait", input.clone());
            let wait = Duration::from_millis(number(&input));
            let lost = matches!(context.select2(child, context.schedule_timer(wait)).await, Either2::Second(()));
            context.schedule_activity("Double", lost.to_string()).await
        })
        .register("LeaveChild", |context: Context, input: String| async move {
            let child = context.schedule_sub_orchestration("Wait", input.clone());
            let wait = Duration::from_millis(number(&input));
            Ok(matches!(context.select2(child, context.schedule_timer(wait)).await, Either2::Second(())).to_string())
        })
        .register("ForgetChild", forget_child)
        .register("Detach", |context: Context, input: String| async move {
            context.schedule_orchestration("Steps", format!("{}-alone", context.instance_id()), input.clone());
            Ok(input)
        })
        .register("Chain", |context: Context, input: String| async move {
            let left = number(&input);
            if left == 0 {
                return Ok("the end".to_string());
            }
            context.schedule_activity("Double", input).await?;
            context.continue_as_new((left - 1).to_string()).await
        })
        .register("ChainAtOnce", |context: Context, input: String| async move {
            match number(&input) {
                0 => Ok(context.execution_id().to_string()),
                left => context.continue_as_new((left - 1).to_string()).await,
            }
        })
        .register("Upgraded", |context: Context, input: String| async move {
            context.continue_as_new_versioned("2.0.0", input).await
        })
        .register_versioned("Upgraded", "2.0.0", |context: Context, input: String| async move {
            Ok(format!("{} {input}", context.orchestration_version()))
        })
}

/// Orchestrations that keep keys and show a status, as much as there may be or more.
fn state(registry: Builder) -> Builder {
    registry
        .register("Keys", |context: Context, input: String| async move {
            let left = number(&input);
            context.set_kv_value("left", input.clone());
            context.set_kv_value(format!("naïve \"{left}\""), "");
            context.schedule_activity("Double", input).await?;
            context.set_kv_value("late", "set");
            context.clear_kv_value("never");
            if left == 0 { Ok("kept".to_string()) } else { context.continue_as_new((left - 1).to_string()).await }
        })
        .register("KeysCleared", |context: Context, input: String| async move {
            context.set_kv_value("first", input.clone());
            context.set_kv_value("second", input.clone());
            context.schedule_activity("Double", input.clone()).await?;
            match number(&input) % 2 {
                0 => context.clear_kv_value("first"),
                _ => context.clear_all_kv_values(),
            }
            context.set_kv_value("third", input);
            Ok(context.get_kv_all_keys().join(" "))
        })
        .register("KeysOfOther", |context: Context, input: String| async move {
            let other = format!("{}-other", context.instance_id());
            context.schedule_sub_orchestration_with_id("KeysCleared", other.clone(), input).await?;
            let read = context.get_kv_value_from_instance(other, "third").await?;
            Ok(read.unwrap_or_default())
        })
        .register("Status", |context: Context, input: String| async move {
            let left = number(&input);
            context.set_custom_status(format!("{left} left"));
            context.schedule_activity("Double", input).await?;
            match left {
                0 => context.reset_custom_status(),
                1 => context.set_custom_status("done"),
                _ => return context.continue_as_new((left - 1).to_string()).await,
            }
            Ok("shown".to_string())
        })
        .register("AtLimits", |context: Context, input: String| async move {
            for number in 0..150 {
                context.set_kv_value(format!("key {number}"), "v");
            }
            context.set_kv_value("key 0", "v".repeat(64 * 1024));
            context.set_custom_status("s".repeat(256 * 1024));
            context.schedule_activity("Echo", "e".repeat(200_000)).await.map(|echo| format!("{} {input}", echo.len()))
        })
        .register("OverLimit", over_limit)
        .register("LimitInChild", |context: Context, input: String| async move {
            let child = context.schedule_sub_orchestration("OverLimit", input);
            let lost = context.select2(child, context.schedule_timer(Duration::from_secs(2))).await;
            Ok(matches!(lost, Either2::Second(())).to_string())
        })
}

async fn steps(context: Context, input: String) -> Text {
    let mut last = input.clone();
    for _ in 0..=number(&input) % 4 {
        last = context.schedule_activity("Double", last).await?;
    }
    Ok(last)
}

async fn fan_out(context: Context, input: String) -> Text {
    let (activity, count) = input.split_once(' ').unwrap_or(("Double", &input));
    let scheduled = (0..number(count)).map(|n| context.schedule_activity(activity, n.to_string()));
    let done = context.join(scheduled.collect::<Vec<_>>()).await;
    Ok(done.into_iter().collect::<Result<Vec<_>, _>>()?.join(" "))
}

/// Wait for an event or a timer, and then go on as the input says.
async fn race(context: Context, input: String) -> Text {
    let (delay, then) = match input.as_str() {
        "timer" => (SHORT, "end"),
        "event" => (LONG, "end"),
        _ => (SHORT, "wait"),
    };
    let won = match context.select2(context.schedule_wait("go"), context.schedule_timer(delay)).await {
        Either2::First(data) => data,
        Either2::Second(()) => "late".to_string(),
    };
    if then == "wait" { Ok(format!("{won} {}", context.schedule_wait("then").await)) } else { Ok(won) }
}

/// Schedule a child and drop it in the turn that ends the execution in one of the ways that there are; with a name, a
/// child under the id of another instance, and where others have been started before, these are dropped beside it.
async fn forget_child(context: Context, input: String) -> Text {
    let started = match input.as_str() {
        "beside another" => Some(context.schedule_sub_orchestration("Wait", "started")),
        _ => None,
    };
    context.schedule_timer(SHORT).await;
    match input.as_str() {
        "of a stranger" => {
            let stranger = context.instance_id().replace("forgets-child", "stranger");
            drop(context.schedule_sub_orchestration_with_id("Wait", stranger, "forgotten"))
        }
        _ => drop(context.schedule_sub_orchestration("Wait", "forgotten")),
    }
    drop(started);
    match input.as_str() {
        "fails" => Err("failed".to_string()),
        "continues" => context.continue_as_new("ends").await,
        _ => Ok("ended".to_string()),
    }
}

/// Break one of the engine's limits and then end in one of the ways that there are, or go on.
async fn over_limit(context: Context, input: String) -> Text {
    let (limit, end) = input.split_once(' ').unwrap_or((&input, ""));
    let waiting = context.schedule_activity("Slow", "in vain");
    match limit {
        "value" => context.set_kv_value("long", "v".repeat(70_000)),
        "keys" => (0..151).for_each(|number| context.set_kv_value(format!("key {number}"), "v")),
        "status" => context.set_custom_status("s".repeat(300_000)),
        _ => drop(context.schedule_activity("Double", "1").with_tag("t".repeat(300))),
    }
    match end {
        "ends" => Ok("ended".to_string()),
        "fails" => Err("failed".to_string()),
        "continues" => context.continue_as_new(input.clone()).await,
        "detaches" => {
            context.schedule_orchestration("Steps", format!("{}-alone", context.instance_id()), "1");
            Ok("detached".to_string())
        }
        _ => waiting.await,
    }
}
