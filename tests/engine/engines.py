"""The engine versions under test, each run in a process of its own through `driver.py`."""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ENGINES: tuple[str, ...] = ("0.1.28", "0.2.2")
VARIABLE = "HOLYSTONE_TEST_ENGINES"
DRIVER = Path(__file__).with_name("driver.py")
TIMEOUT = 120.0


class DriverError(RuntimeError):
    """The driver failed; the message holds what it wrote to standard error."""


def engine_directory(version: str) -> Path | None:
    """The directory to put on the PYTHONPATH for a version, or None where it is the one installed here.

    A version that is not there yet is installed first, into the directory that `HOLYSTONE_TEST_ENGINES`
    names or a cache of the user's own.
    """
    if _installed_version() == version:
        return None
    cache = _cache()
    directory = cache / f"duroxide-{version}-{sys.implementation.cache_tag}"
    if not directory.is_dir():
        _install(version, directory)
    return directory


def _installed_version() -> str | None:
    try:
        return importlib.metadata.version("duroxide")
    except importlib.metadata.PackageNotFoundError:
        return None


def _cache() -> Path:
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).resolve()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "holystone" / "engines"


def _install(version: str, directory: Path) -> None:
    """Install into a temporary directory and rename it, one process at a time."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with open(directory.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if directory.is_dir():
            return
        fresh = tempfile.mkdtemp(prefix=".installing-", dir=directory.parent)
        try:
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, "--no-deps", "--target", fresh, f"duroxide=={version}"], check=True)
            os.rename(fresh, directory)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def start_driver(version: str, *args: str | os.PathLike[str], stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
    """Start the driver on one version of the engine, and return its process; its output is a pipe.

    The commands `run` and `load` print the line `{"ready": true}` once their runtime works.
    """
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    directory = engine_directory(version)
    if directory is not None:
        environment["PYTHONPATH"] = str(directory)
    else:
        environment.pop("PYTHONPATH", None)
    return subprocess.Popen(
        [sys.executable, str(DRIVER), *(os.fspath(arg) for arg in args)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        encoding="utf-8",
        env=environment,
    )


def run_driver(version: str, *args: str | os.PathLike[str], timeout: float = TIMEOUT) -> Any:
    """Run the driver to its end on one version of the engine, and return the last JSON value it printed.

    Words that begin with a dash but are no options must follow a `--`.
    """
    process = start_driver(version, *args)
    try:
        printed, said = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        printed, said = process.communicate()
        raise DriverError(f"driver {args} did not end in {timeout} s:\n{said[-4000:]}") from None
    except BaseException:
        process.kill()
        process.communicate()
        raise
    if process.returncode != 0:
        raise DriverError(f"driver {args} exited with {process.returncode}:\n{said[-4000:]}")
    return json.loads(printed.splitlines()[-1])
