from cases.case import Case, Found, Row
from cases.payloads import begun, subscribed
from holystone.demo.scribe import Scribe, completed, continued, failed
from holystone.duroxide.tables import instances

AWKWARD = 'say "yes" \\ \n\t🧽 é e\u0301 %s \u2028 </script>'


def healthy(scribe: Scribe) -> None:
    scribe.execution("plain", begun(), completed())
    scribe.execution("awkward", begun(AWKWARD, version="1.0.0-" + AWKWARD), completed())
    # A name that looks like the fields beside it.
    scribe.execution("deceptive", begun('x","version":"9.9.9', input='{"name":"Other","version":"9.9.9"}'), completed())
    # Nobody had registered it, until the engine gave it up.
    scribe.execution("unresolved", begun("Missing", version="unknown"), failed())
    scribe.execution("upgraded", begun(), continued())
    scribe.execution("upgraded", begun("Order", version="2.0.0"), subscribed(), execution_id=2)
    # The row is still that of the execution before, until the first turn of the next one is acked.
    scribe.execution("between", begun(), continued())


def broken(scribe: Scribe) -> None:
    for name in ("name", "version", "both"):
        scribe.execution(name, begun(), subscribed())
    scribe.change(instances, {"instance_id": "name"}, orchestration_name="order")
    scribe.change(instances, {"instance_id": "version"}, orchestration_version="1.0")
    scribe.change(instances, {"instance_id": "both"}, orchestration_name=AWKWARD, orchestration_version="unknown")
    scribe.execution("behind", begun(), continued())
    scribe.execution("behind", begun(version="2.0.0"), subscribed(), execution_id=2)
    scribe.change(instances, {"instance_id": "behind"}, orchestration_version="1.0.0")


def found(name: str, observed: tuple[str, str], expected: tuple[str, str] = ("Order", "1.0.0")) -> Found:
    columns = ("orchestration_name", "orchestration_version")
    return Found(
        instance_id=name,
        execution_id=None,
        observed=dict(zip(columns, observed, strict=True)),
        expected=dict(zip(columns, expected, strict=True)),
    )


CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        found("name", ("order", "1.0.0")),
        found("version", ("Order", "1.0")),
        found("both", (AWKWARD, "unknown")),
        found("behind", ("Order", "1.0.0"), ("Order", "2.0.0")),
    ],
    repaired=[
        Row(
            table="instances",
            key={"instance_id": name},
            columns={"orchestration_name": "Order", "orchestration_version": version},
        )
        for name, version in (("name", "1.0.0"), ("version", "1.0.0"), ("both", "1.0.0"), ("behind", "2.0.0"))
    ],
)
