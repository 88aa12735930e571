"""JUnit XML: each store a test suite, each check a test case; what CI servers show of tests."""

from collections.abc import Iterator, Mapping
from shutil import copyfileobj
from xml.sax.saxutils import escape, quoteattr

from holystone.printable import one_line
from holystone.render.report import CheckResult, Summary, Unavailable
from holystone.render.report_writer import ExamplesWriter, Part, ReportMerger, name_of
from holystone.render.terminal import counted, key_of
from holystone.scan.check import Severity

EXAMPLES = 20
"""Findings listed of each check, unless the user says how many to list in all."""
_BEGIN, _END = '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="holystone">\n', "</testsuites>\n"


class Writer(ExamplesWriter):
    """Writes a test suite: a check that found something from --fail-on up is a failure, one that failed an error."""

    each = EXAMPLES

    def end(self, summary: Summary) -> None:
        cases = [*map(self._case, summary.checks), *map(_not_loaded, summary.not_loaded)]
        text = "".join(cases)
        counts = {
            "tests": len(cases),
            "failures": text.count("<failure "),
            "errors": text.count("<error "),
            "skipped": text.count("<skipped "),
            "time": summary.duration_ms / 1000,
            "timestamp": summary.started_at.removesuffix("Z"),
        }
        suite = _suite(name_of(summary), counts, text)
        self.out.write(suite if self.layout.several else f"{_BEGIN}{suite}{_END}")

    def _case(self, result: CheckResult) -> str:
        return _case(f"{result.id} {result.name}", list(self._outcome(result)))

    def _outcome(self, result: CheckResult) -> Iterator[str]:
        if result.outcome == "failed" or result.unread:
            rows = [f"{key_of(row.key)}: {row.reason}" for row in result.unread[:EXAMPLES]]
            yield _element("error", result.reason or f"{counted(len(result.unread), 'row')} not looked at", rows)
        elif result.outcome == "skipped":
            yield _element("skipped", result.reason or "", [])
        elif result.outcome == "found":
            worst = self.scan.results[result.id].worst or Severity.info
            fails = self.layout.fail_on != "never" and worst >= Severity[self.layout.fail_on]
            examples = self.examples.of(result.id)
            more = [f"and {result.count - len(examples):,} more"] if result.count > len(examples) else []
            what = f"{counted(result.count, 'finding')}, {worst.name}"
            if fails:
                yield _element("failure", what, [*examples, *more])
            else:
                yield f"<system-out>{escape(chr(10).join([what, *examples, *more]))}</system-out>"


class Merger(ReportMerger):
    """Writes the test suites of all stores."""

    begun = False

    def add(self, part: Part) -> None:
        self.out.write("" if self.begun else _BEGIN)
        self.begun = True
        if part.text is not None:
            copyfileobj(part.text, self.out)
        if isinstance(part.summary, Unavailable):
            error = part.summary.error
            case = _case("store", [_element("error", error.message, [f"Next: {error.next_step}"])])
            self.out.write(_suite(name_of(part.summary), {"tests": 1, "errors": 1}, case))

    def end(self) -> None:
        self.out.write(_END)


def _not_loaded(message: str) -> str:
    return _case("plug-in", [_element("error", message, [])])


def _suite(name: str, counts: Mapping[str, object], cases: str) -> str:
    attributes = "".join(f" {name}={quoteattr(str(value))}" for name, value in counts.items())
    return f"<testsuite name={quoteattr(name)}{attributes}>\n{cases}</testsuite>\n"


def _case(name: str, outcome: list[str]) -> str:
    return f'<testcase classname="holystone" name={quoteattr(one_line(name))}>{"".join(outcome)}</testcase>\n'


def _element(name: str, message: str, lines: list[str]) -> str:
    text = escape("\n".join(map(one_line, lines)))
    return f"<{name} message={quoteattr(one_line(message))}>{text}</{name}>"
