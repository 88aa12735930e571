"""Discovery of the catalogues.

A catalogue is a package whose modules each declare one thing. It is found through an entry point, and the
project's own catalogues are found by the same road as anybody else's: group `holystone.checks` for checks,
group `holystone.repairs` for repairs.
"""

import pkgutil
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Generic, Protocol, TypeVar

from holystone.errors import CatalogueError


class Declared(Protocol):
    """Anything that a catalogue declares has an id."""

    @property
    def id(self) -> str: ...


D = TypeVar("D", bound=Declared)


class Catalogue(Generic[D]):
    """All declarations of one kind, by id, in the order of their ids."""

    def __init__(self, kind: type[D], group: str) -> None:
        self._kind = kind
        self._group = group
        self.by_id: dict[str, D] = {}
        for declared in sorted(self._discover(), key=lambda d: d.id):
            if declared.id in self.by_id:
                raise CatalogueError(
                    f"Two {group} call themselves {declared.id}.", "Remove one of the packages that declare them."
                )
            self.by_id[declared.id] = declared

    def __iter__(self) -> Iterator[D]:
        return iter(self.by_id.values())

    def get(self, id: str) -> D:
        """Return the declaration `id`, in any case; CatalogueError where there is none."""
        exact = {known.lower(): known for known in self.by_id}
        if id.lower() in exact:
            return self.by_id[exact[id.lower()]]
        from difflib import get_close_matches

        close = [exact[near] for near in get_close_matches(id.lower(), exact, n=3, cutoff=0.6)]
        raise CatalogueError(
            f"There is no {self._kind.__name__.lower()} {id!r}.",
            f"Perhaps {', '.join(close)}; `holystone checks` lists all." if close else "`holystone checks` lists all.",
        )

    def _discover(self) -> Iterator[D]:
        for point in entry_points(group=self._group):
            for module in _modules(point):
                yield declaration(module, self._kind)


def declaration(module: ModuleType, kind: type[D]) -> D:
    """Return what `module` declares; CatalogueError where it does not declare it."""
    name = kind.__name__.upper()
    declared = getattr(module, name, None)
    if not isinstance(declared, kind):
        raise CatalogueError(
            f"The module {module.__name__} declares no {name}, a {kind.__module__}.{kind.__name__}.",
            "Give it one, as its neighbours do, or take the file out of the catalogue.",
        )
    return declared


def _modules(point: EntryPoint) -> Iterable[ModuleType]:
    return [_load(point, name) for name in _names(_load(point, point.module))]


def _names(module: ModuleType) -> list[str]:
    if not hasattr(module, "__path__"):
        return [module.__name__]
    return [f"{module.__name__}.{info.name}" for info in pkgutil.iter_modules(module.__path__)]


def _load(point: EntryPoint, name: str) -> ModuleType:
    try:
        return import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plug-in may fail in any way, and leave; its name is what the user needs
        plug_in = point.dist.name if point.dist else point.name
        raise CatalogueError(
            f"The catalogue {name} of {plug_in} cannot be loaded: {type(error).__name__}: {error}.",
            f"Mend or uninstall {plug_in}.",
        ) from error
