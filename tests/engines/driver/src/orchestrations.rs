//! The orchestrations and activities of the driver.

use duroxide::runtime::registry::ActivityRegistry;
use duroxide::{ActivityContext, OrchestrationContext, OrchestrationRegistry};

type Text = Result<String, String>;

/// Names of the orchestrations that this version of the engine can run.
pub fn names() -> Vec<&'static str> {
    let mut names = vec![
        "Work", "Fail", "FailedWork", "Sleep", "Wait", "Race", "RaceThenWait", "Parent", "Detach", "Chain",
        "ChainThenWait", "Values", "InHand",
    ];
    if cfg!(feature = "custom-status") {
        names.extend(["Status", "StatusThenWait"]);
    }
    if cfg!(feature = "queues") {
        names.push("Dequeue");
    }
    if cfg!(any(feature = "values", feature = "kv-values")) {
        names.extend(["Keys", "KeysThenWait"]);
    }
    if cfg!(feature = "sessions") {
        names.push("InSession");
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
        .build()
}

pub fn all() -> OrchestrationRegistry {
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
        .register("Values", values)
        .register("InHand", |context: OrchestrationContext, input: String| async move {
            activity!(context, "Hold", input)
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
    let registry = registry.register("Dequeue", |context: OrchestrationContext, _: String| async move {
        Ok(format!("{} {}", context.dequeue_event("letters").await, context.dequeue_event("letters").await))
    });
    #[cfg(any(feature = "values", feature = "kv-values"))]
    let registry = registry
        .register("Keys", |context: OrchestrationContext, input: String| keys(context, input, false))
        .register("KeysThenWait", |context: OrchestrationContext, input: String| keys(context, input, true));
    #[cfg(feature = "sessions")]
    let registry = registry.register("InSession", |context: OrchestrationContext, _: String| async move {
        context.schedule_activity_on_session("Double", "1", "one session").await
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
async fn values(context: OrchestrationContext, _: String) -> Text {
    let id = context.new_guid().await?;
    #[cfg(feature = "into-futures")]
    context.utcnow().await?;
    #[cfg(not(feature = "into-futures"))]
    context.utc_now().await?;
    activity!(context, "Double", id).map(|_| "seen".to_string())
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
