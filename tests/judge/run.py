"""Judge damages: `python tests/judge/run.py --flavour sqlite --damages 200 --judge-seed 1`; README.md says more."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from judge.court import NO_END, Case, Court
from judge.damages import Damage, damages
from judge.draw import one_drawn
from judge.patience import Patience
from judge.singles import Single, is_justified, singles
from judge.singles import figures as figures_of
from judge.stores import stores_of


def drawn(court: Court, number: int, first_seed: int) -> Iterator[tuple[Damage, ...]]:
    """Draw so many damages; the same for the same seed and store.

    Each is drawn by itself: of many examples in one run Hypothesis makes some out of others, and so too alike.
    """
    assert court.right is not None
    strategy = damages(court.stores.flavour, court.rows, court.later)
    for index in range(number):
        yield one_drawn(strategy, first_seed * 1_000_003 + index)


def judge(
    flavour: str, number: int, first_seed: int, sample: float, rounds: int, patience: float, report: Path
) -> dict[str, Any]:
    """Judge so many damages on a flavour, and rounds of single ones; write each case to the report, return figures."""
    begun = time.monotonic()
    with stores_of(flavour) as stores:
        run = Patience(patience)
        court = Court(stores, sample=sample, run=run)
        try:
            chosen = drawn(court, number, first_seed)
            cases = []
            with open(report, "a") as file:
                for case in court.judge(chosen):
                    cases.append(case)
                    if len(cases) % 50 == 0:
                        print(f"{flavour}: {len(cases)} in {time.monotonic() - begun:.0f} s", file=sys.stderr)
                endless = [case for case in cases if NO_END in case.broken]
                suspects = [case for case in cases if case.broken and case not in endless]
                confirmed = court.confirmed(suspects)
                for case in suspects:
                    if case not in confirmed:
                        case.broken = {}
                failures = endless + court.shrunk(court.excused(confirmed))
                found = list(singles(stores, rounds, first_seed, run))
                figures = summary(flavour, first_seed, cases, failures, found, time.monotonic() - begun)
                for case in cases:
                    file.write(
                        json.dumps({"flavour": flavour, "seed": first_seed, **case.as_json()}, default=str) + "\n"
                    )
                file.write(json.dumps({"summary": figures}, default=str) + "\n")
        finally:
            court.close()
            run.close()
    return figures


def summary(
    flavour: str,
    first_seed: int,
    cases: Sequence[Case],
    failures: Sequence[Case],
    found: Sequence[Single],
    seconds: float,
) -> dict[str, Any]:
    """The figures of a run."""
    judged = [case for case in cases if case.verdict is not None]
    changed: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for case in judged:
        if case.repaired is not None:
            changed += case.repaired.changed
            right += case.repaired.right
    by_noticed = Counter(str(case.noticed) for case in judged)
    return {
        "flavour": flavour,
        "seed": first_seed,
        "drawn": len(cases),
        "refused by the database": len(cases) - len(judged),
        "kinds": dict(Counter(one.kind for case in judged for one in case.damages).most_common()),
        "said": dict(Counter(case.verdict.said for case in judged if case.verdict)),
        "stores changed by a safe repair": sum(bool(case.repaired and case.repaired.changed) for case in judged),
        "stores with all changes right": sum(
            bool(case.repaired and case.repaired.changed and case.repaired.changed == case.repaired.right)
            for case in judged
        ),
        "changes": {check: [right[check], changed[check]] for check in sorted(changed)},
        "single": figures_of(found),
        "single, right and not safe": [
            f"{one.check}: {damage.says[:150]}: {one.why}"
            for damage, one in found
            if one.right and not one.safe and not is_justified(one)
        ],
        "safe and not made": [one for case in judged if case.repaired for one in case.repaired.unmade],
        "engine noticed": by_noticed["True"],
        "engine did not notice": by_noticed["False"],
        "not played": by_noticed["None"],
        "excused": dict(Counter(case.excused for case in judged if case.excused)),
        "faults": [case.as_json()["fault"] for case in judged if case.as_json()["fault"]],
        "broken": dict(Counter(law for case in failures for law in case.broken)),
        "failures": [case.as_json() for case in failures],
        "seconds": round(seconds, 1),
    }


def compared(old: Path, new: Path) -> str:
    """Which share of the damaged stores was repaired as safe, and right, by check, in two reports."""
    lines = [f"{'check':8}{'stores before':>16}{'right':>8}{'stores after':>16}{'right':>8}"]
    before, after = shares(old), shares(new)
    for check in sorted(before.keys() | after.keys()):
        one, other = before.get(check, (0.0, 0.0)), after.get(check, (0.0, 0.0))
        lines.append(f"{check:8}{one[0]:16.1%}{one[1]:8.1%}{other[0]:16.1%}{other[1]:8.1%}")
    for name, report in (("before", old), ("after", new)):
        lines += [f"broken {name}:", *(f"  {number:4} {what}" for what, number in broken_in(report).most_common())]
    return "\n".join(lines)


def broken_in(report: Path) -> Counter[str]:
    """What broke a law in a report: the law, the checks whose repairs were made, and the kinds of damage."""
    found: Counter[str] = Counter()
    for line in map(json.loads, report.read_text().splitlines()):
        for case in line["summary"]["failures"] if "summary" in line else ():
            damages = ", ".join(f"{one['kind']} of {one['table'] or 'the store'}" for one in case["damages"])
            made = " ".join(sorted(case["changed"])) or "no repair"
            found[f"{' and '.join(sorted(case['broken']))}: {made}: {damages}"] += 1
    return found


def shares(report: Path) -> dict[str, tuple[float, float]]:
    """Of all damaged stores of a report, the shares that were changed by a check's safe repair, and rightly so."""
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    stores = [line for line in lines if "summary" not in line and line["said"]]
    found = {}
    for check in {check for store in stores for check in store["changed"]}:
        changed = [store for store in stores if check in store["changed"]]
        right = [store for store in changed if store["right"].get(check) == store["changed"][check]]
        found[check] = (len(changed) / len(stores), len(right) / len(stores))
    changed = [store for store in stores if store["changed"]]
    right = [store for store in changed if store["right"] == store["changed"]]
    return found | {"all": (len(changed) / len(stores), len(right) / len(stores))}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--flavour", choices=["sqlite", "postgresql"], action="append")
    parser.add_argument("--damages", type=int, default=100, help="how many stores are damaged, of each flavour")
    parser.add_argument("--judge-seed", type=int, default=None)
    parser.add_argument("--sample", type=float, default=0.2, help="the share of other stores that the engine gets")
    parser.add_argument("--singles", type=int, default=5, help="rounds of single damages, one in each instance")
    parser.add_argument(
        "--patience-seconds", type=float, default=120, help="how long one look at a damaged store may take"
    )
    parser.add_argument("--report", type=Path, default=Path("judge.jsonl"))
    parser.add_argument("--compare", type=Path, help="another report, of another version of holystone")
    given = parser.parse_args()
    first_seed = given.judge_seed if given.judge_seed is not None else int(time.time())
    broken = 0
    for flavour in given.flavour or ["sqlite", "postgresql"]:
        figures = judge(
            flavour,
            given.damages,
            first_seed,
            given.sample,
            given.singles,
            given.patience_seconds,
            given.report,
        )
        broken += sum(len(figures[what]) for what in ("failures", "faults", "single, right and not safe"))
        print(json.dumps(figures, indent=1, default=str, ensure_ascii=False))
    if given.compare is not None:
        print(compared(given.compare, given.report))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
