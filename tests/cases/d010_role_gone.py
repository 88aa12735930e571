from cases.case import Case, Found
from cases.extension import begun, ended, install, instance
from holystone.demo.scribe import Payload, Scribe

WAITS: Payload = ("ExternalSubscribed", {"name": "go"})
NOBODY = "4294967290"
"""The number of a role that there is not."""


def healthy(scribe: Scribe) -> None:
    """What has ended needs no role any more."""
    install(scribe)
    instance(scribe, "a0000001", "completed", ended(scribe, "a0000001"), node="completed", submitted_by=NOBODY)
    instance(scribe, "a0000002", "running", [*begun(scribe, "a0000002"), WAITS])


def broken(scribe: Scribe) -> None:
    install(scribe)
    instance(scribe, "a0000001", "running", [*begun(scribe, "a0000001"), WAITS], submitted_by=NOBODY)


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id="a0000001",
            execution_id=None,
            observed={"role": "absent"},
            expected={"role": "present"},
            repair="none",
        )
    ],
    repaired=[],
    alters_schema=True,
)
