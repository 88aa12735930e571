"""The version of the engine that is about to be deployed, as a user names it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from holystone.duroxide.engine_version import EngineVersion, in_words, parsed
from holystone.duroxide.release import Release, Writes
from holystone.duroxide.releases import NEWEST_IN_WORDS, REFUSES_NEWER, WRITES
from holystone.errors import HolystoneError

CORE, PROVIDER, PACKAGE = "core", "provider", "package"
KINDS = (CORE, PROVIDER, PACKAGE)


@dataclass(frozen=True)
class Deployed:
    """A version of the engine: `name` of a `kind`, the core or what is built on it.

    `oldest` and `newest` are the versions of the core that it may have: of a provider the release is known that it was
    built on, and no more. `migration` is its last migration of a store of the flavour. `refuses_newer` is whether it
    does not open a store that has later ones; on SQLite none looks.
    """

    kind: str
    name: str
    writes: Writes
    oldest: EngineVersion
    newest: EngineVersion
    migration: int
    refuses_newer: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def release(self) -> Release:
        return self.writes.release

    @property
    def core_in_words(self) -> str:
        """The version of the core, or the first and the last that it may be."""
        if self.oldest == self.newest:
            return in_words(self.oldest)
        return f"{in_words(self.oldest)} to {in_words(self.newest)}"


def deployed(word: str, flavour: str) -> Deployed:
    """Return the version that a word such as `0.1.32` or `package:0.2.2` names, for stores of a flavour.

    HolystoneError where there is none, or several.
    """
    kind, colon, name = word.rpartition(":")
    if colon and kind not in KINDS:
        raise HolystoneError(
            f"{word!r} names no version of the engine: it may begin with {', '.join(f'{one}:' for one in KINDS)}.",
            _LIST,
        )
    found = [one for one in _named(name, flavour) if one.kind == kind or not colon]
    if not found:
        raise HolystoneError(
            f"{word!r} is no version of the engine that is known here; the newest core is {NEWEST_IN_WORDS}.", _LIST
        )
    if len(found) > 1 and len({one.kind for one in found}) > 1:
        kinds = [f"{one.kind}:{one.name}" for one in found]
        raise HolystoneError(
            f"{word!r} is a version of several parts of the engine.", f"Say which: --against {' or '.join(kinds)}"
        )
    if len({one.migration for one in found}) > 1:
        raise HolystoneError(
            f"The core {name} is in versions of the PostgreSQL provider with different migrations.",
            f"Name the provider: --against {' or '.join(f'provider:{one}' for one in found[0].release.providers)}",
        )
    return found[0]


_LIST = "holystone engines lists the versions that are known."


def _named(name: str, flavour: str) -> Iterator[Deployed]:
    """Yield what goes by that name; a core on PostgreSQL once for each provider that was built on its release."""
    on_sqlite = flavour == "sqlite"
    for one in WRITES:
        release = one.release
        if name in release.versions:
            version = parsed(name)
            core = partial(Deployed, CORE, name, one, version, version)
            if on_sqlite:
                yield core(one.sqlite)
            else:
                yield from (core(last, _refuses_newer(provider)) for provider, last in release.providers.items())
        if name in release.providers and not on_sqlite:
            ends = (release.first, release.last, release.providers[name])
            yield Deployed(PROVIDER, name, one, *ends, _refuses_newer(name))
        if name in release.packages:
            version = parsed(release.package_cores[name])
            last = one.sqlite if on_sqlite else release.packages[name]
            yield Deployed(PACKAGE, name, one, version, version, last, not on_sqlite)


def _refuses_newer(provider: str) -> bool:
    return parsed(provider) >= REFUSES_NEWER
