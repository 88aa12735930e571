"""Discovery of the catalogues.

A catalogue is a package whose modules each declare one thing. It is found through an entry point, and the
project's own catalogues are found by the same road as anybody else's: group `holystone.checks` for checks,
group `holystone.repairs` for repairs.
"""

import pkgutil
import re
from collections.abc import Callable, Iterator
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

OURS = "holystone"
"""The distribution whose catalogues are not a plug-in's."""


class Catalogue(Generic[D]):
    """All declarations of one kind, by id, in the order of their ids.

    `name` returns the name by which a declaration may be asked for as well. `broken` says of each that cannot be loaded
    why not: the others are there, and whoever needs all asks for them by `require_whole`.
    """

    def __init__(self, kind: type[D], group: str, name: Callable[[D], str] | None = None) -> None:
        self._kind = kind
        self._name = name
        self._group = group
        self.broken: list[CatalogueError] = []
        self._plug_ins: dict[str, str] = {}
        found: dict[str, D] = {}
        for plug_in, declared in self._discover():
            if declared.id in found:
                self.broken.append(
                    CatalogueError(
                        f"Two {group} call themselves {declared.id}.", "Remove one of the packages that declare them."
                    )
                )
                continue
            found[declared.id] = declared
            if plug_in != OURS:
                self._plug_ins[declared.id] = plug_in
        self.by_id = {id: found[id] for id in sorted(found)}

    def require_whole(self) -> None:
        """Raise CatalogueError where not all that is installed could be loaded."""
        if self.broken:
            raise self.broken[0]

    def plug_in_of(self, id: str) -> str | None:
        """Return the distribution of the plug-in that declares `id`; None where holystone itself does."""
        return self._plug_ins.get(id)

    def __iter__(self) -> Iterator[D]:
        return iter(self.by_id.values())

    def get(self, id: str) -> D:
        """Return the declaration that has this id or name, in any case; CatalogueError where there is none."""
        names = {} if self._name is None else {self._name(one).lower(): id for id, one in self.by_id.items()}
        exact = {**names, **{known.lower(): known for known in self.by_id}}
        if id.lower() in exact:
            return self.by_id[exact[id.lower()]]
        self.require_whole()  # it may be one of those that are broken
        from difflib import get_close_matches

        near = get_close_matches(id.lower(), exact, n=3, cutoff=0.6)
        close = [name if name in names else exact[name] for name in near]
        raise CatalogueError(
            f"There is no {self._kind.__name__.lower()} {id!r}.",
            f"Perhaps {', '.join(close)}; `holystone checks` lists all." if close else "`holystone checks` lists all.",
        )

    def _discover(self) -> Iterator[tuple[str, D]]:
        """Yield what is declared and by whom, our own first."""
        # Once a point: the name of a distribution is parsed out of its metadata each time that one asks for it.
        points = [(_plug_in(point), point) for point in entry_points(group=self._group)]
        for plug_in, point in sorted(points, key=lambda one: (one[0] != OURS, one[0], one[1].name)):
            try:
                names = _names(_load(plug_in, point.module))
            except CatalogueError as error:
                self.broken.append(error)
                continue
            for name in names:
                try:
                    yield plug_in, self._declared(plug_in, name)
                except CatalogueError as error:
                    self.broken.append(error)

    def _declared(self, plug_in: str, name: str) -> D:
        declared = declaration(_load(plug_in, name), self._kind)
        if plug_in == OURS:
            return declared
        from holystone.guard import guarded

        try:
            if not isinstance(declared.id, str) or not re.fullmatch("[A-Za-z0-9_.-]{1,100}", declared.id):
                raise ValueError("its id is no word of letters and digits")
            sound: D = guarded(declared, plug_in)
        except ValueError as error:
            raise _unusable(plug_in, name, str(error)) from error
        return sound


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


def _plug_in(point: EntryPoint) -> str:
    """Return the name of the distribution that an entry point is of."""
    return point.dist.name if point.dist else point.name


def _names(module: ModuleType) -> list[str]:
    if not hasattr(module, "__path__"):
        return [module.__name__]
    return [f"{module.__name__}.{info.name}" for info in pkgutil.iter_modules(module.__path__)]


def _load(plug_in: str, name: str) -> ModuleType:
    if plug_in == OURS:
        return _imported(plug_in, name)
    from holystone.guard import at_work

    with at_work(f"the module {name} of {plug_in}"):
        return _imported(plug_in, name)


def _imported(plug_in: str, name: str) -> ModuleType:
    try:
        return import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plug-in may fail in any way, and leave; its name is what the user needs
        raise _unusable(plug_in, name, f"{type(error).__name__}: {error}") from error


def _unusable(plug_in: str, name: str, why: str) -> CatalogueError:
    return CatalogueError(
        f"The catalogue {name} of {plug_in} cannot be loaded: {why}.", f"Mend or uninstall {plug_in}."
    )
