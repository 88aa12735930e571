"""The reference of what is called from Python: signatures and docstrings, as they are."""

import inspect
import re
import textwrap
from collections.abc import Iterator
from types import FunctionType, MethodType

from holystone import api, errors, testing
from holystone.store import Store


def python_page() -> str:
    """Return the functions of `holystone.api` and `holystone.testing`, the errors, and the methods of `Store`."""
    parts = [
        "# Python",
        "Made from the code by `python docs/build.py`.",
        "Examples that the tests run are on [from Python](../api.md) and [a store from Python](../store.md).",
        "## holystone.api",
        _prose(inspect.getdoc(api) or ""),
        *_functions(api, api.__name__),
        "## holystone.testing",
        *_functions(testing, testing.__name__),
        "## holystone.store.Store",
        _prose(inspect.getdoc(Store) or ""),
        *_methods(Store),
        "## Errors",
        *_errors(),
    ]
    return "\n\n".join(parts) + "\n"


def _functions(module: object, name: str) -> Iterator[str]:
    for public, function in sorted(vars(module).items()):
        if isinstance(function, FunctionType) and function.__module__ == name and not public.startswith("_"):
            yield from _function(function, f"{name}.{public}")


def _methods(of: type) -> Iterator[str]:
    for name, method in inspect.getmembers(of, callable):
        if (
            not name.startswith("_")
            and inspect.getdoc(method)
            and (inspect.ismethod(method) or inspect.isfunction(method))
        ):
            yield from _function(method, f"Store.{name}")


def _function(function: FunctionType | MethodType, name: str) -> Iterator[str]:
    source = textwrap.dedent(inspect.getsource(function))
    signature = re.search(r'^def (.*?):\n +"""', source, re.DOTALL | re.MULTILINE)
    assert signature is not None, name
    yield f"### {name}"
    yield f"```python\n{signature[1]}\n```"
    yield _prose(inspect.getdoc(function) or "")


def _errors() -> Iterator[str]:
    for name, error in vars(errors).items():
        if isinstance(error, type) and error.__module__ == errors.__name__:
            base = error.__mro__[1].__name__
            yield f"### {name}"
            yield f"A kind of `{base}`.\n\n{_prose(inspect.getdoc(error) or '')}"


def _prose(docstring: str) -> str:
    """Return a docstring as Markdown: its examples are code."""
    return re.sub(r"(?m)^>>> (?:.|\n(?!\n))*", lambda found: f"```pycon\n{found[0].rstrip()}\n```", docstring)
