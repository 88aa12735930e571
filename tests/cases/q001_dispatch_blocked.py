from cases.case import Case, Found, Row
from cases.payloads import FAR_FUTURE_MS, subscribed
from cases.work import cancel_of, completion_for, just_now, letter_to, raised_to, spaced, start_of
from holystone.clock import now_ms
from holystone.demo.scribe import Scribe, completed, started


def healthy(scribe: Scribe) -> None:
    scribe.execution("live", started(), subscribed())
    scribe.message("live", raised_to("live"))
    # The engine acks what comes too late, and throws away a letter that came too early.
    scribe.execution("ended", started(), completed())
    scribe.message("ended", raised_to("ended"))
    scribe.message("letter-to-nobody", letter_to("letter-to-nobody"))
    # A start that waits, at once or for later, is on its way; what came before it waits too.
    scribe.message("starting", start_of("starting"))
    scribe.message("event-first", raised_to("event-first"))
    scribe.message("event-first", start_of("event-first"))
    scribe.message("backed-off", cancel_of("backed-off"))
    scribe.message("backed-off", start_of("backed-off"), now_ms() + 60_000)
    scribe.message("start-by-hand", raised_to("start-by-hand"))
    spaced(scribe, scribe.message("start-by-hand", start_of("start-by-hand")))
    # Whoever raises an event and whoever starts its instance may be at work this moment.
    just_now(scribe, scribe.message("race", raised_to("race")))


def broken(scribe: Scribe) -> None:
    scribe.message("raised", raised_to("raised"))
    spaced(scribe, scribe.message("cancelled", cancel_of("cancelled")))
    scribe.message("completed", completion_for("completed"))
    # It blocks nothing before its time comes.
    fired = {"instance": "fired", "execution_id": 1, "id": 2, "fire_at_ms": FAR_FUTURE_MS}
    scribe.message("fired", {"TimerFired": fired}, FAR_FUTURE_MS)
    told = {"parent_instance": "told", "parent_execution_id": 1, "parent_id": 2, "result": "1"}
    scribe.message("told", {"SubOrchCompleted": told})
    # With another kind beside it the engine keeps the letter, too.
    scribe.message("raised", letter_to("raised"))


KINDS = {
    "cancelled": "CancelInstance",
    "completed": "ActivityCompleted",
    "fired": "TimerFired",
    "raised": "ExternalRaised",
    "told": "SubOrchCompleted",
}

CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=name,
            execution_id=None,
            observed={"instance": "absent"},
            expected={"instance": "present"},
            cause=kind,
            repair="unsafe",
        )
        for name, kind in KINDS.items()
    ],
    repaired=[
        Row(table="orchestrator_queue", key={"instance_id": name}, columns=None) for name in KINDS if name != "raised"
    ],
)
