from cases.case import Case, Found
from cases.payloads import subscribed
from cases.work import cancel_of, letter_to, raised_to, reprinted, spaced
from holystone.demo.scribe import Scribe, started
from holystone.duroxide.tables import orchestrator_queue


def healthy(scribe: Scribe) -> None:
    """Spaces and another order of fields are what JSONB itself prints."""
    scribe.execution("live", started(), subscribed())
    for message in (raised_to("live"), letter_to("live"), cancel_of("live")):
        scribe.message("live", message)
        spaced(scribe, scribe.message("live", message))
        row = scribe.message("live", message)
        scribe.change(orchestrator_queue, {"id": row}, work_item=reprinted(message))


TEXTS = {
    "twice": (
        '{"CancelInstance":{"instance":"twice","reason":"one","reason":"two"}}',
        "it cannot be read as JSON: it has 'reason' twice",
    ),
    "same": (
        '{"ExternalRaised":{"instance":"same","name":"go","data":"1","data":"1"}}',
        "it cannot be read as JSON: it has 'data' twice",
    ),
}
"""Instance -> the text of a message for it, and what is wrong with that."""


def broken(scribe: Scribe) -> None:
    for name, (text, _) in TEXTS.items():
        scribe.execution(name, started(), subscribed())
        scribe.change(orchestrator_queue, {"id": scribe.message(name, raised_to(name))}, work_item=text)


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=name,
            execution_id=None,
            observed={"text": fault},
            expected={"text": "readable"},
            repair="none",
        )
        for name, (_, fault) in TEXTS.items()
    ],
    repaired=[],
)
