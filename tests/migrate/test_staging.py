"""The folder in which a store is made: what killed processes left is cleared away, what is in use is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from holystone.flavours.sqlite.staging import staging
from holystone.migrate import create

HOLD = """
import sys, time
from pathlib import Path
from holystone.flavours.sqlite.staging import staging
with staging(Path(sys.argv[1])) as folder:
    (folder / "store.db").write_bytes(b"half a store")
    (folder / "store.db-wal").touch()
    print(folder, flush=True)
    time.sleep(60)
"""


def hold(folder: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_live_creator_keeps_its_folder_and_a_dead_ones_is_cleared_away(tmp_path: Path) -> None:
    process, folder = hold(tmp_path)
    create(str(tmp_path / "one.db"))
    assert sorted(one.name for one in folder.iterdir()) == ["store.db", "store.db-wal"]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert folder.is_dir()
    create(str(tmp_path / "two.db"))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["one.db", "two.db"]


def test_what_is_no_workshop_is_left_alone(tmp_path: Path) -> None:
    others = tmp_path / "others"
    others.mkdir()
    (others / "store.db").write_text("not ours")
    (tmp_path / ".holystone-link").symlink_to(others)
    (tmp_path / ".holystone-file").touch()
    strange = tmp_path / ".holystone-strange"
    strange.mkdir()
    (strange / "store.db").touch()
    (strange / "notes.txt").touch()
    before = sorted(tmp_path.rglob("*"))
    create(str(tmp_path / "one.db"))
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "one.db"])


def test_a_workshop_goes_however_it_ends(tmp_path: Path) -> None:
    with staging(tmp_path) as one, staging(tmp_path) as other:
        assert one != other
        assert one.is_dir()
        (one / "store.db").touch()
        assert oct(os.stat(one).st_mode)[-3:] == "700"
    assert not list(tmp_path.iterdir())
