"""`--ping`: a monitor is told of the beginning and the end of a check, and can do nothing to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from holystone.cli import ping

from .helpers import STALE, Run, Sample


class Monitor:
    """A server on this machine; it answers with `status`, or after `delay` seconds, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200
        self.silent = threading.Event()
        monitor = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                monitor.asked.append(self.path)
                if monitor.silent.is_set():
                    monitor.over.wait(20)
                self.send_response(monitor.status)
                if monitor.status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.over = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/id"


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    monitor = Monitor()
    thread = threading.Thread(target=monitor.server.serve_forever)
    thread.start()
    yield monitor
    monitor.over.set()
    monitor.server.shutdown()
    monitor.server.server_close()
    thread.join()


def test_a_clean_check_is_a_success(run: Run, sqlite_store: Sample, monitor: Monitor) -> None:
    result = run("check", *sqlite_store.words, "--ping", monitor.url)
    assert (result.status, result.err, monitor.asked) == (0, "", ["/id/start", "/id"])


def test_drift_and_what_cannot_be_seen_are_failures(
    run: Run, sqlite_store: Sample, monitor: Monitor, tmp_path: Path
) -> None:
    sqlite_store.execute(STALE)
    assert run("check", *sqlite_store.words, "--ping", monitor.url).status == 1
    assert run("check", str(tmp_path / "no.db"), "--ping", f"{monitor.url}/").status == 2
    assert monitor.asked == ["/id/start", "/id/fail"] * 2


def test_a_redirection_is_not_followed(run: Run, sqlite_store: Sample, monitor: Monitor) -> None:
    monitor.status = 302
    result = run("check", *sqlite_store.words, "--ping", monitor.url)
    assert (result.status, monitor.asked) == (0, ["/id/start", "/id"])
    assert result.err == "Warning: the monitor answered a ping with 302.\n" * 2


def test_a_monitor_that_does_not_answer_holds_nothing_up(
    run: Run, sqlite_store: Sample, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ping, "PATIENCE_SECONDS", 0.2)
    monitor.silent.set()
    result = run("check", *sqlite_store.words, "--ping", monitor.url)
    assert result.status == 0
    assert result.err.startswith("Warning: the monitor cannot be pinged: ")


def test_a_monitor_that_is_not_there_changes_nothing(run: Run, sqlite_store: Sample) -> None:
    result = run("check", *sqlite_store.words, "--ping", "http://127.0.0.1:1/id")
    assert result.status == 0
    assert "the monitor cannot be pinged" in result.err
    assert "Clean." in result.out


@pytest.mark.parametrize("url", ["", "monitor", "ftp://monitor/x", "file:///etc/passwd", "http://"])
def test_what_is_no_url_is_refused(run: Run, sqlite_store: Sample, url: str) -> None:
    result = run("check", *sqlite_store.words, "--ping", url)
    assert (result.status, result.out) == (2, "")
