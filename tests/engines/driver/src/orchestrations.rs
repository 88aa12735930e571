//! The orchestrations and activities of the driver.

use duroxide::runtime::registry::ActivityRegistry;
use duroxide::{ActivityContext, OrchestrationContext, OrchestrationRegistry};

type Text = Result<String, String>;

/// What the driver is to do with a store: see `main.rs`.
#[derive(Clone, Copy, PartialEq)]
pub enum Phase {
    Make,
    Change,
    Halt,
    Continue,
}

impl Phase {
    pub fn named(name: &str) -> Self {
        match name {
            "make" => Phase::Make,
            "change" => Phase::Change,
            "halt" => Phase::Halt,
            _ => Phase::Continue,
        }
    }
}

/// Names of the orchestrations that this version of the engine can run.
pub fn names() -> Vec<&'static str> {
    let mut names = vec![
        "Work", "Fail", "FailedWork", "Sleep", "Wait", "Race", "RaceThenWait", "Parent", "Detach", "Chain",
        "ChainThenWait", "Values", "ValuesThenWait", "InHand", "GiveUp", "CallNobody", "Changing", "WaitThenWork",
        "WaitThenFail", "WaitThenChain", "Panic", "Block",
    ];
    if cfg!(feature = "custom-status") {
        names.extend(["Status", "StatusThenWait"]);
    }
    if cfg!(feature = "queues") {
        names.extend(["Dequeue", "DequeueOrNot"]);
    }
    if cfg!(any(feature = "values", feature = "kv-values")) {
        names.extend(["Keys", "KeysThenWait", "KeysCleared"]);
    }
    if cfg!(feature = "sessions") {
        names.push("InSession");
    }
    if cfg!(feature = "tags") {
        names.push("Tagged");
    }
    names
}

pub fn activities() -> ActivityRegistry {
    ActivityRegistry::builder()
        .register("Double", |_: ActivityContext, input: String| async move { Ok(format!("{input}{input}")) })
        .register("Break", |_: ActivityContext, _: String| async move { Err("broken".to_string()) })
        .register("Hold", |_: ActivityContext, _: String| async move {
            tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
            Ok(String::new())
        })
        .register("Nap", |_: ActivityContext, input: String| async move {
            tokio::time::sleep(std::time::Duration::from_millis(800)).await;
            Ok(input)
        })
        .register("NapAndBreak", |_: ActivityContext, _: String| async move {
            tokio::time::sleep(std::time::Duration::from_millis(800)).await;
            Err("broken".to_string())
        })
        .build()
}

pub fn all(phase: Phase) -> OrchestrationRegistry {
    let registry = OrchestrationRegistry::builder()
        .register("Work", work)
        .register("Fail", |_: OrchestrationContext, input: String| async move { Err(input) })
        .register("FailedWork", |context: OrchestrationContext, input: String| async move {
            activity!(context, "Break", input)
        })
        .register("Sleep", |context: OrchestrationContext, input: String| async move {
            timer!(context, input.parse().unwrap());
            Ok("awake".to_string())
        })
        .register("Wait", |context: OrchestrationContext, _: String| async move { Ok(event!(context, "go")) })
        .register("Race", |context: OrchestrationContext, input: String| async move {
            let comes = event_before!(context, "go", input.parse().unwrap());
            Ok(comes.to_string())
        })
        .register("RaceThenWait", |context: OrchestrationContext, input: String| async move {
            let comes = event_before!(context, "early", input.parse().unwrap());
            let data = event!(context, "go");
            Ok(format!("{comes} {data}"))
        })
        .register("Parent", |context: OrchestrationContext, input: String| async move {
            child!(context, input, "from above")
        })
        .register("Detach", |context: OrchestrationContext, input: String| async move {
            context.schedule_orchestration("Work", input.clone(), "alone");
            Ok(input)
        })
        .register("Chain", |context: OrchestrationContext, input: String| chain(context, input, false))
        .register("ChainThenWait", |context: OrchestrationContext, input: String| chain(context, input, true))
        .register("Values", |context: OrchestrationContext, _: String| values(context, false))
        .register("ValuesThenWait", |context: OrchestrationContext, _: String| values(context, true))
        .register("InHand", |context: OrchestrationContext, input: String| async move {
            activity!(context, "Hold", input)
        })
        .register("GiveUp", |context: OrchestrationContext, input: String| async move {
            let comes = activity_before!(context, "Nap", "late", input.parse().unwrap());
            Ok(comes.to_string())
        })
        .register("CallNobody", |context: OrchestrationContext, input: String| async move {
            activity!(context, "Nobody", input)
        })
        .register("Changing", move |context: OrchestrationContext, input: String| async move {
            if phase != Phase::Make {
                timer!(context, 1);
            } else {
                activity!(context, "Double", input)?;
            }
            Ok(event!(context, "go"))
        })
        .register("WaitThenWork", |context: OrchestrationContext, input: String| async move {
            let data = event!(context, "go");
            activity!(context, input, data)
        })
        .register("WaitThenFail", |context: OrchestrationContext, _: String| async move { Err(event!(context, "go")) })
        .register("WaitThenChain", |context: OrchestrationContext, input: String| async move {
            let left: u32 = input.parse().unwrap();
            event!(context, "go");
            if left > 0 {
                return context.continue_as_new((left - 1).to_string()).await;
            }
            Ok("the end".to_string())
        })
        .register("Panic", |_: OrchestrationContext, _: String| async move { panic!("no way out") })
        .register("Block", move |_: OrchestrationContext, _: String| async move {
            if phase == Phase::Make || phase == Phase::Halt {
                // What else this thread has in hand goes on in another one.
                tokio::task::block_in_place(|| std::thread::sleep(std::time::Duration::from_secs(3600)));
            }
            Ok("let go".to_string())
        });
    #[cfg(feature = "custom-status")]
    let registry = registry
        .register("Status", |context: OrchestrationContext, _: String| async move {
            context.set_custom_status("begun");
            activity!(context, "Double", "1")?;
            context.set_custom_status("done");
            Ok("shown".to_string())
        })
        .register("StatusThenWait", |context: OrchestrationContext, input: String| async move {
            let left: u32 = input.parse().unwrap();
            if left > 0 {
                context.set_custom_status(format!("{left} left"));
                return context.continue_as_new((left - 1).to_string()).await;
            }
            Ok(event!(context, "go"))
        });
    #[cfg(feature = "queues")]
    let registry = registry
        .register("Dequeue", |context: OrchestrationContext, _: String| async move {
            Ok(format!("{} {}", context.dequeue_event("letters").await, context.dequeue_event("letters").await))
        })
        .register("DequeueOrNot", |context: OrchestrationContext, input: String| async move {
            let delay = std::time::Duration::from_millis(input.parse().unwrap());
            let (letter, limit) = (context.dequeue_event("letters"), context.schedule_timer(delay));
            let comes = matches!(context.select2(letter, limit).await, duroxide::Either2::First(_));
            Ok(comes.to_string())
        });
    #[cfg(any(feature = "values", feature = "kv-values"))]
    let registry = registry
        .register("Keys", |context: OrchestrationContext, input: String| keys(context, input, false))
        .register("KeysThenWait", |context: OrchestrationContext, input: String| keys(context, input, true))
        .register("KeysCleared", |context: OrchestrationContext, _: String| keys_cleared(context));
    #[cfg(feature = "sessions")]
    let registry = registry.register("InSession", |context: OrchestrationContext, input: String| async move {
        context.schedule_activity_on_session(input, "1", "one session").await
    });
    #[cfg(feature = "tags")]
    let registry = registry.register("Tagged", |context: OrchestrationContext, _: String| async move {
        context.schedule_activity("Double", "1").with_tag("elsewhere").await
    });
    registry.build()
}

async fn work(context: OrchestrationContext, input: String) -> Text {
    let once = activity!(context, "Double", input)?;
    activity!(context, "Double", once)
}

async fn chain(context: OrchestrationContext, input: String, waits: bool) -> Text {
    let left: u32 = input.parse().unwrap();
    if left > 0 {
        activity!(context, "Double", input)?;
        return context.continue_as_new((left - 1).to_string()).await;
    }
    Ok(if waits { event!(context, "go") } else { "the end".to_string() })
}

/// What the engine records so that a replay sees the same.
async fn values(context: OrchestrationContext, waits: bool) -> Text {
    let id = context.new_guid().await?;
    #[cfg(feature = "into-futures")]
    context.utcnow().await?;
    #[cfg(not(feature = "into-futures"))]
    context.utc_now().await?;
    activity!(context, "Double", id)?;
    Ok(if waits { event!(context, "go") } else { "seen".to_string() })
}

#[cfg(any(feature = "values", feature = "kv-values"))]
async fn keys_cleared(context: OrchestrationContext) -> Text {
    #[cfg(feature = "values")]
    {
        context.set_value("once", "set");
        context.clear_all_values();
        context.set_value("again", "set");
    }
    #[cfg(feature = "kv-values")]
    {
        context.set_kv_value("once", "set");
        context.clear_all_kv_values();
        context.set_kv_value("again", "set");
    }
    activity!(context, "Double", "1")
}

#[cfg(any(feature = "values", feature = "kv-values"))]
async fn keys(context: OrchestrationContext, input: String, waits: bool) -> Text {
    let left: u32 = input.parse().unwrap();
    #[cfg(feature = "values")]
    {
        context.set_value("left", input);
        context.set_value(format!("once {left}"), "set");
        context.clear_value("never");
    }
    #[cfg(feature = "kv-values")]
    {
        context.set_kv_value("left", input);
        context.set_kv_value(format!("once {left}"), "set");
        context.clear_kv_value("never");
    }
    activity!(context, "Double", "1")?;
    if left > 0 {
        return context.continue_as_new((left - 1).to_string()).await;
    }
    Ok(if waits { event!(context, "go") } else { "kept".to_string() })
}
