"""Make all that a release consists of, in dist/: `python release/build.py`, or `tox -e release`.

The sdist, the wheel, a zipapp and a bill of materials. Made twice of one commit, sdist and wheel are the same to the
byte; the other two hold the dependencies that are the newest of their day.
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from venv import create

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def main() -> None:
    """Make everything anew; CalledProcessError where a tool refuses something."""
    os.environ.setdefault("SOURCE_DATE_EPOCH", _time_of_commit())
    shutil.rmtree(DIST, ignore_errors=True)
    with TemporaryDirectory() as name:
        folder = Path(name)
        sdist = _sdist(folder)
        wheel = _wheel(sdist, DIST, folder / "tree")
        again = _wheel(_sdist(folder), folder, folder / "tree-again")
        if wheel.read_bytes() != again.read_bytes() or sdist.read_bytes() != (folder / sdist.name).read_bytes():
            sys.exit("two builds of the same commit differ")
        _bill_of_materials(wheel, folder / "environment")
    _python("twine", "check", "--strict", str(sdist), str(wheel))
    _python("check_wheel_contents", str(wheel))
    _zipapp(wheel)


def _time_of_commit() -> str:
    """Return when the last commit was made, in seconds since the epoch: the time that each file of the release has."""
    return subprocess.check_output(["git", "log", "-1", "--format=%ct"], cwd=ROOT, text=True).strip()


def _python(module: str, *words: str) -> None:
    subprocess.run([sys.executable, "-m", module, *words], check=True)


def _sdist(folder: Path) -> Path:
    """Make the sdist, put it into dist/ where none is there yet, else into `folder`, and return where it is."""
    _python("build", "--sdist", "--outdir", str(folder / "as-built"), str(ROOT))
    (built,) = (folder / "as-built").glob("*.tar.gz")
    DIST.mkdir(exist_ok=True)
    place = (folder if (DIST / built.name).exists() else DIST) / built.name
    _repack(built, place)
    return place


def _repack(built: Path, place: Path) -> None:
    """Pack an sdist anew with all that setuptools takes from the day and the machine made the same."""
    epoch = int(os.environ["SOURCE_DATE_EPOCH"])
    with (
        tarfile.open(built) as old,
        place.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=epoch) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old, key=lambda member: member.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = epoch, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isfile() else None)


def _wheel(sdist: Path, place: Path, tree: Path) -> Path:
    """Build the wheel of an sdist into `place`, by way of `tree`, and return it."""
    with tarfile.open(sdist) as packed:
        packed.extractall(tree, filter="data")
    (source,) = tree.iterdir()
    _python("build", "--wheel", "--outdir", str(place), str(source))
    (wheel,) = place.glob("*.whl")
    return wheel


def _bill_of_materials(wheel: Path, environment: Path) -> None:
    """Write what is installed with the wheel as CycloneDX."""
    create(environment, with_pip=False)
    (python,) = [*environment.glob("bin/python"), *environment.glob("Scripts/python.exe")]
    _python("pip", "--python", str(python), "install", "--quiet", f"{wheel}[postgresql]")
    # Reproducible: without a serial number and the time.
    words = ["environment", str(python), "--output-reproducible", "--sv", "1.6", "--of", "JSON", "--output-file", "-"]
    bill = json.loads(subprocess.check_output([sys.executable, "-m", "cyclonedx_py", *words]))
    (subject,) = [one for one in bill["components"] if one["name"] == "holystone"]
    bill["components"].remove(subject)
    subject.pop("externalReferences", None)  # the file of this machine that it was installed from
    bill["metadata"]["component"] = {**subject, "type": "application"}
    text = json.dumps(bill, indent=2) + "\n"
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if fault is not None:
        sys.exit(f"the bill of materials is not as its schema says: {fault}")
    (DIST / f"{wheel.name.split('-py3')[0]}.cdx.json").write_text(text)


def _zipapp(wheel: Path) -> None:
    """Make one file that Python alone can run, on Linux with glibc 2.17 or newer, with psycopg and its libpq."""
    place = DIST / f"{wheel.name.split('-py3')[0]}-linux-x86_64.pyz"
    platforms = [f"--platform=manylinux2014_x86_64-cp-{one}.0-cp{one.replace('.', '')}" for one in PYTHONS]
    words = ["--python-shebang", "/usr/bin/env python3", "--no-emit-warnings", "--script", "holystone"]
    _python("pex", f"holystone[postgresql] @ {wheel.as_uri()}", *platforms, *words, "--output-file", str(place))


if __name__ == "__main__":
    main()
