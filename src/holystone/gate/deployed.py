"""The version of the engine that is about to be deployed, as a user names it."""

from collections.abc import Iterator
from dataclasses import dataclass

from holystone.duroxide.engine_version import EngineVersion, in_words, parsed
from holystone.duroxide.release import Release, Writes
from holystone.duroxide.releases import NEWEST_IN_WORDS, WRITES
from holystone.errors import HolystoneError

CORE, PROVIDER, PACKAGE = "core", "provider", "package"
KINDS = (CORE, PROVIDER, PACKAGE)


@dataclass(frozen=True)
class Deployed:
    """A version of the engine: `name` of a `kind`, the core or what is built on it.

    `oldest` and `newest` are the versions of the core that it may have: of a provider and a package the release is
    known that it was built on, and no more. `migration` is its last migration of a store of the flavour.
    """

    kind: str
    name: str
    writes: Writes
    oldest: EngineVersion
    newest: EngineVersion
    migration: int

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
            for last in [one.sqlite] if on_sqlite else release.providers.values():
                yield Deployed(CORE, name, one, version, version, last)
        if name in release.providers and not on_sqlite:
            yield Deployed(PROVIDER, name, one, release.first, release.last, release.providers[name])
        if name in release.packages:
            last = one.sqlite if on_sqlite else release.packages[name]
            core = parsed(release.package_cores[name])
            yield Deployed(PACKAGE, name, one, core, core, last)
