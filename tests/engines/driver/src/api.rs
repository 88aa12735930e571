//! What changed in the engine's own interface: each macro means the same in every version.

/// The result of an activity.
macro_rules! activity {
    ($context:expr, $name:expr, $input:expr) => {{
        #[cfg(feature = "into-futures")]
        let result = $context.schedule_activity($name, $input).into_activity().await;
        #[cfg(not(feature = "into-futures"))]
        let result = $context.schedule_activity($name, $input).await;
        result
    }};
}

/// Nothing, once so many milliseconds are over.
macro_rules! timer {
    ($context:expr, $ms:expr) => {{
        let delay = std::time::Duration::from_millis($ms);
        #[cfg(feature = "into-futures")]
        $context.schedule_timer(delay).into_timer().await;
        #[cfg(not(feature = "into-futures"))]
        $context.schedule_timer(delay).await;
    }};
}

/// The data of the event of a name.
macro_rules! event {
    ($context:expr, $name:expr) => {{
        #[cfg(feature = "into-futures")]
        let data = $context.schedule_wait($name).into_event().await;
        #[cfg(not(feature = "into-futures"))]
        let data = $context.schedule_wait($name).await;
        data
    }};
}

/// The result of a sub-orchestration.
macro_rules! child {
    ($context:expr, $name:expr, $input:expr) => {{
        #[cfg(feature = "into-futures")]
        let result = $context.schedule_sub_orchestration($name, $input).into_sub_orchestration().await;
        #[cfg(not(feature = "into-futures"))]
        let result = $context.schedule_sub_orchestration($name, $input).await;
        result
    }};
}

/// Whether the event of a name comes before so many milliseconds are over.
macro_rules! event_before {
    ($context:expr, $name:expr, $ms:expr) => {{
        let delay = std::time::Duration::from_millis($ms);
        let (awaited, limit) = ($context.schedule_wait($name), $context.schedule_timer(delay));
        #[cfg(feature = "into-futures")]
        let comes = $context.select2(awaited, limit).await.0 == 0;
        #[cfg(not(feature = "into-futures"))]
        let comes = matches!($context.select2(awaited, limit).await, duroxide::Either2::First(_));
        comes
    }};
}

/// Whether an activity ends before so many milliseconds are over; else it is given up.
macro_rules! activity_before {
    ($context:expr, $name:expr, $input:expr, $ms:expr) => {{
        let delay = std::time::Duration::from_millis($ms);
        let (activity, limit) = ($context.schedule_activity($name, $input), $context.schedule_timer(delay));
        #[cfg(feature = "into-futures")]
        let comes = $context.select2(activity, limit).await.0 == 0;
        #[cfg(not(feature = "into-futures"))]
        let comes = matches!($context.select2(activity, limit).await, duroxide::Either2::First(_));
        comes
    }};
}
