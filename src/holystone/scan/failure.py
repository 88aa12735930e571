"""Why a check could not run: what an error that came while its relation was read means for it."""

from msgspec import Struct
from sqlalchemy.exc import DBAPIError

from holystone.errors import CatalogueError
from holystone.flavours import Flavour
from holystone.scan.relation import Relation
from holystone.scan.result import Outcome, Result


class Failure(Struct, frozen=True):
    """What becomes of a check; `error` is what nobody had foreseen."""

    reason: str
    outcome: Outcome = Outcome.failed
    next_step: str | None = None
    error: BaseException | None = None

    def note(self, result: Result) -> None:
        """Have it be the result of a check."""
        result.outcome, result.reason = self.outcome, self.reason
        result.next_step, result.error = self.next_step, self.error


def failure(flavour: Flavour, relation: Relation, error: BaseException) -> Failure:
    """Return what an error means for the checks of a relation."""
    if isinstance(error, DBAPIError):
        explained = flavour.translate_error(error)
        if relation.dispensable and flavour.is_refusal(error):
            # A role with SELECT on the engine's tables, and nothing else, can still check the store.
            return Failure(explained.message.rstrip("."), Outcome.skipped, explained.next_step)
        return Failure(explained.message, next_step=explained.next_step)
    if isinstance(error, CatalogueError):
        return Failure(error.message)
    return Failure(f"{relation.name} could not be read: {type(error).__name__}: {error}", error=error)
