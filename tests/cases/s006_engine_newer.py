from cases.case import Case, Found, OnFlavour
from cases.objects import execute
from holystone.demo.scribe import Scribe


def healthy(scribe: Scribe) -> None:
    """The newest migration that is known."""


def broken(scribe: Scribe) -> None:
    """What a newer engine makes cannot be judged: of the schema nothing else is said."""
    execute(
        scribe,
        "INSERT INTO _duroxide_migrations (version, name) VALUES (99, '0099_later.sql')"
        if scribe.flavour.name == "postgresql"
        else "INSERT INTO _sqlx_migrations VALUES (20990101000000, 'later', CURRENT_TIMESTAMP, TRUE, x'00', 1)",
    )
    execute(scribe, "ALTER TABLE instances ADD COLUMN later TEXT")
    if scribe.flavour.name == "postgresql":
        execute(scribe, "ALTER FUNCTION list_children(text) STRICT")


LEDGER = OnFlavour(sqlite="_sqlx_migrations", postgresql="_duroxide_migrations")

CASE = Case(
    healthy=healthy,
    broken=broken,
    findings=[
        Found(
            instance_id=None,
            execution_id=None,
            observed={
                "ledger": LEDGER,
                "state": OnFlavour(
                    sqlite="goes on after migration 20240112000000", postgresql="goes on after migration 26"
                ),
            },
            expected={
                "ledger": LEDGER,
                "state": OnFlavour(sqlite="ends at 20240112000000 or before", postgresql="ends at 26 or before"),
            },
            repair="none",
        )
    ],
    repaired=[],
    alters_schema=True,
)
