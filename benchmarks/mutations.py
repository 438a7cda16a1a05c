"""Mutation testing: break one line of a copy of the repository at a time, and see whether the tests named for it notice.

    python benchmarks/mutations.py                     # every mutation of benchmarks/mutations/*.toml
    python benchmarks/mutations.py metrics splits      # some areas
    python benchmarks/mutations.py delong-unpaired     # some mutations, by id
    python benchmarks/mutations.py --resume --jobs 2   # what build/mutations.json does not know yet
    python benchmarks/mutations.py --check             # seconds: is every old text still in its file, once?

Exits 1 if a mutation survives or cannot be tried. The format of the lists is described in benchmarks/mutations/README.md.

Each trial runs in a process forked from this one after the heavy libraries are loaded, so that it costs its tests alone.
"""

import argparse
import dataclasses
import hashlib
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import types
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LISTS = ROOT / "benchmarks" / "mutations"
RESULTS = ROOT / "build" / "mutations.json"
KILLED, SURVIVED, EQUIVALENT, ERROR = "killed", "survived", "equivalent", "error"
GRACE_S = 90  # a trial may take this long beyond five times its tests' time without the mutation
HEAVY = (
    "captum.attr", "cv2", "diffusers", "pandas", "PIL.Image", "psutil", "pyarrow.parquet", "pytest", "safetensors.torch", "scipy.optimize",
    "scipy.stats", "sklearn.linear_model", "sklearn.metrics", "torch", "torchvision.transforms.v2", "typer.testing",
)  # fmt: skip
TESTS_FAILED = (1, 2)  # pytest's exit codes: a test failed; the run broke off, as when the code cannot be imported


@dataclass(frozen=True)
class Mutation:
    """One entry of a list. `old` becomes `new` in `file`; see benchmarks/mutations/README.md."""

    area: str
    id: str
    breaks: str  # one sentence: what is wrong then
    file: str
    old: str
    new: str
    tests: tuple[str, ...]  # pytest node ids
    count: int = 1  # how often `old` occurs; every place is changed
    after: str = ""  # `old` is looked for behind the only occurrence of this text, and the first place is changed
    equivalent: str = ""  # why no test can see it

    def applied(self, text: str) -> str:
        """The file's text with the mutation. Raises ValueError if `old` is not where the list says."""
        start = 0
        if self.after:
            if text.count(self.after) != 1:
                raise ValueError(f"`after` occurs {text.count(self.after)} times instead of once")
            start = text.index(self.after) + len(self.after)
            if self.old not in text[start:]:
                raise ValueError("`old` does not occur behind `after`")
            return text[:start] + text[start:].replace(self.old, self.new, 1)
        if text.count(self.old) != self.count:
            raise ValueError(f"`old` occurs {text.count(self.old)} times instead of {self.count}")
        return text.replace(self.old, self.new)


@dataclass(frozen=True)
class Outcome:
    """What came of one mutation."""

    status: str
    detail: str  # the test that failed, or what went wrong
    seconds: float
    fingerprint: str  # see `fingerprint`: another one makes the outcome stale


def load(folder: Path = LISTS) -> list[Mutation]:
    """All entries of all lists, by area and in their order. Raises ValueError for a bad entry."""
    entries = []
    for path in sorted(folder.glob("*.toml")):
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["mutation"]:
            try:
                entries.append(Mutation(path.stem, **{**entry, "tests": tuple(entry["tests"])}))
            except (TypeError, KeyError) as error:
                raise ValueError(f"{path.name}, {entry.get('id', 'an entry without id')}: {error}") from error
    twice = [name for name, count in Counter(entry.id for entry in entries).items() if count > 1]
    if twice:
        raise ValueError(f"These ids occur more than once: {', '.join(twice)}.")
    return entries


def problem(entry: Mutation, root: Path = ROOT) -> str:
    """What is wrong with an entry, or nothing: found without running a test."""
    if not (root / entry.file).is_file():
        return f"there is no file {entry.file}"
    text = (root / entry.file).read_text(encoding="utf-8")
    try:
        mutated = entry.applied(text)
        compile(mutated, entry.file, "exec")
    except (ValueError, SyntaxError) as error:
        return str(error)
    if mutated == text:
        return "`new` equals `old`"
    if not entry.tests and not entry.equivalent:
        return "no tests"
    for test in entry.tests:
        path, *names = test.split("::")
        if not (root / path).is_file():
            return f"there is no file {path}"
        source = (root / path).read_text(encoding="utf-8")
        if names and f"def {names[-1].split('[')[0]}(" not in source:
            return f"there is no test {test}"
    return ""


def fingerprint(entry: Mutation, killer: str = "", root: Path | None = None) -> str:
    """Of all that an outcome depends on: the entry, the code, and the test that killed it, or every test where none did."""
    root = root or ROOT
    parts = [json.dumps(dataclasses.asdict(entry), sort_keys=True), (root / entry.file).read_text(encoding="utf-8")]
    source = source_of(killer, root)
    parts += (
        [source]
        if source
        else [(root / path).read_text() for path in sorted({test.split("::")[0] for test in entry.tests})]
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def source_of(test: str, root: Path) -> str:
    """The text of a test's function; "" where there is none of that name."""
    path, _, name = test.partition("::")
    if not name or not (root / path).is_file():
        return ""
    text = (root / path).read_text(encoding="utf-8")
    found = re.search(rf"^def {re.escape(name.split('[')[0])}\(.*?(?=^\S|\Z)", text, re.DOTALL | re.MULTILINE)
    return found[0].rstrip() if found else ""


class Recorder:
    """A pytest plugin that notes each test's result and time."""

    def __init__(self):
        self.results: dict[str, str] = {}
        self.seconds: Counter = Counter()

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] += report.duration
        if report.failed or report.when == "call" or report.skipped:
            worse = self.results.get(report.nodeid) == "failed"
            self.results[report.nodeid] = "failed" if worse else report.outcome


class Slot:
    """One copy of the repository, in which one process at a time runs tests."""

    def __init__(self, number: int, base: Path):
        self.home = base / f"{number}"
        self.copy = self.home / "repository"
        listed = subprocess.run(
            ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (self.copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, self.copy / name)
        self.pid = 0

    def start(self, tests: list[str], first_failure: bool, limit_s: float) -> None:
        """Fork a process that runs the tests in the copy."""
        shutil.rmtree(self.home / "tmp", ignore_errors=True)
        (self.home / "result.json").unlink(missing_ok=True)
        self.started, self.limit_s = time.monotonic(), limit_s
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self._run_tests(tests, first_failure)
            finally:
                os._exit(0)

    def _run_tests(self, tests: list[str], first_failure: bool) -> None:
        import pytest

        os.setsid()
        output = os.open(self.home / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(self.copy)
        sys.path[0] = str(self.copy)
        os.environ.setdefault("CIFAKE_DATA", str(ROOT.parent / "shared" / "data"))
        sys.modules["__main__"] = types.ModuleType("__main__")  # processes the tests spawn must not run this file
        recorder = Recorder()
        arguments = [
            "-q",
            "-p",
            "no:cacheprovider",
            f"--basetemp={self.home / 'tmp'}",
            *(["-x"] if first_failure else []),
        ]
        code = int(pytest.main([*arguments, *tests], plugins=[recorder]))
        found = {"code": code, "results": recorder.results, "seconds": dict(recorder.seconds)}
        (self.home / "result.json").write_text(json.dumps(found))

    def finished(self) -> dict | None:
        """The result once the process has ended (code −1: it ran out of time, −2: it died), else None."""
        late = time.monotonic() - self.started > self.limit_s
        if late:
            os.killpg(self.pid, signal.SIGKILL)
        pid, _ = os.waitpid(self.pid, 0 if late else os.WNOHANG)
        if not pid:
            return None
        self.pid = 0
        path = self.home / "result.json"
        found = (
            json.loads(path.read_text())
            if path.exists()
            else {"code": -1 if late else -2, "results": {}, "seconds": {}}
        )
        return found | {"wall_s": time.monotonic() - self.started}

    def tail(self) -> str:
        lines = (self.home / "output.txt").read_text(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else ""

    def mutate(self, entry: Mutation) -> None:
        path = self.copy / entry.file
        self.unbroken = path.read_text(encoding="utf-8")  # of the copy: the working tree may be edited meanwhile
        self._write(path, entry.applied(self.unbroken))

    def restore(self, entry: Mutation) -> None:
        self._write(self.copy / entry.file, self.unbroken)

    def _write(self, path: Path, text: str) -> None:
        """With what was compiled of it removed: that is told from the source by second and size alone, and could hide a mutation."""
        path.write_text(text, encoding="utf-8")
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()

    def close(self) -> None:
        if self.pid:
            os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def in_slots(slots: list[Slot], tasks: list, start, end) -> None:
    """Run every task in a free slot: `start(slot, task)` forks, `end(slot, task, result)` is told."""
    waiting, running = list(tasks), {}
    while waiting or running:
        for slot in slots:
            if slot not in running and waiting:
                running[slot] = waiting.pop(0)
                start(slot, running[slot])
        for slot in [slot for slot in running]:
            result = slot.finished()
            if result is not None:
                end(slot, running.pop(slot), result)
        time.sleep(0.02)


def baseline(slots: list[Slot], entries: list[Mutation]) -> dict[str, tuple[str, float]]:
    """Each named test without any mutation: node id → (result, seconds)."""
    tests = sorted({test for entry in entries for test in entry.tests})
    whole = {test for test in tests if "::" not in test}
    tests = [test for test in tests if test in whole or test.split("::")[0] not in whole]
    files = sorted({test.split("::")[0] for test in tests})
    groups = [[test for test in tests if test.split("::")[0] in files[k :: len(slots)]] for k in range(len(slots))]
    found: dict[str, tuple[str, float]] = {}

    def end(slot: Slot, _group: list[str], result: dict) -> None:
        if result["code"] not in (0, 1):
            print(f"The tests do not run without a mutation: {slot.tail()} (exit code {result['code']})")
        for test, outcome in result["results"].items():
            found[test] = (outcome, result["seconds"][test])

    in_slots(slots, [group for group in groups if group], lambda slot, group: slot.start(group, False, 7200), end)
    return found


def belonging(test: str, results: dict[str, tuple[str, float]]) -> list[tuple[str, float]]:
    """The results of a file, a test or one case of it."""
    return [value for node, value in results.items() if node == test or node.startswith((test + "::", test + "["))]


def fails_unbroken(entry: Mutation, results: dict[str, tuple[str, float]]) -> str:
    """Why the entry's tests say nothing about the mutation: they fail without it, or do not run at all."""
    for test in entry.tests:
        outcomes = [outcome for outcome, _ in belonging(test, results)]
        if "failed" in outcomes:
            return f"{test} fails without the mutation"
        if "passed" not in outcomes:
            return f"{test} was not run (skipped, or absent)"
    return ""


def judged(entry: Mutation, result: dict, tail: str) -> tuple[str, str]:
    """(status, detail) of a trial."""
    failed = [test for test, outcome in result["results"].items() if outcome == "failed"]
    killed = result["code"] in TESTS_FAILED or result["code"] < 0
    detail = failed[0] if failed else "out of time" if result["code"] == -1 else tail
    if killed and entry.equivalent:
        return ERROR, f"called equivalent, but {detail} notices"
    if killed:
        return KILLED, detail
    if result["code"] != 0:
        return ERROR, tail
    return (EQUIVALENT, entry.equivalent) if entry.equivalent else (SURVIVED, "")


def try_all(entries: list[Mutation], jobs: int, told) -> None:
    """Try each mutation; `told(entry, outcome)` after each."""
    base = Path(tempfile.mkdtemp(prefix="mutations-"))
    slots: list[Slot] = []
    try:
        slots += [Slot(number, base) for number in range(jobs)]
        warm()
        unbroken = baseline(slots, entries)
        ready = []
        for entry in entries:
            wrong = fails_unbroken(entry, unbroken)
            if wrong or not entry.tests:
                told(entry, Outcome(ERROR if wrong else EQUIVALENT, wrong or entry.equivalent, 0.0, fingerprint(entry)))
            else:
                ready.append(entry)

        def start(slot: Slot, entry: Mutation) -> None:
            slot.mutate(entry)
            usual = sum(seconds for test in entry.tests for _, seconds in belonging(test, unbroken))
            slot.start(list(entry.tests), True, GRACE_S + 5 * usual)

        def end(slot: Slot, entry: Mutation, result: dict) -> None:
            slot.restore(entry)
            status, detail = judged(entry, result, slot.tail())
            told(entry, Outcome(status, detail, round(result["wall_s"], 1), fingerprint(entry, detail, slot.copy)))

        in_slots(slots, ready, start, end)
    finally:
        for slot in slots:
            slot.close()
        shutil.rmtree(base, ignore_errors=True)


def warm() -> None:
    """Load what nearly every test loads, once; nothing of the repository itself, which differs from trial to trial."""
    for name in HEAVY:
        importlib.import_module(name)


def table(entries: list[Mutation], outcomes: dict[str, Outcome]) -> str:
    """One row an area, in Markdown."""
    rows = ["| area | mutations | killed | equivalent | survived | not tried |", "|---|---|---|---|---|---|"]
    for area in [*sorted({entry.area for entry in entries}), "all"]:
        of_area = [entry for entry in entries if area in (entry.area, "all")]
        counts = Counter(outcomes[entry.id].status for entry in of_area if entry.id in outcomes)
        missing = len(of_area) - sum(counts.values()) + counts[ERROR]
        rows.append(
            f"| {area} | {len(of_area)} | {counts[KILLED]} | {counts[EQUIVALENT]} | {counts[SURVIVED]} | {missing} |"
        )
    return "\n".join(rows)


def stored(path: Path) -> dict[str, Outcome]:
    """The outcomes of earlier runs, of whatever entries."""
    if not path.exists():
        return {}
    return {name: Outcome(**value) for name, value in json.loads(path.read_text())["outcomes"].items()}


def still_valid(outcomes: dict[str, Outcome], entries: list[Mutation]) -> dict[str, Outcome]:
    """Those of these entries that were killed or equivalent and about which nothing changed since."""
    done = {name for name, outcome in outcomes.items() if outcome.status in (KILLED, EQUIVALENT)}
    return {
        entry.id: outcomes[entry.id]
        for entry in entries
        if entry.id in done and outcomes[entry.id].fingerprint == fingerprint(entry, outcomes[entry.id].detail)
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="*", help="areas or ids; none = all")
    parser.add_argument("--jobs", type=int, default=1, help="copies that run tests at once")
    parser.add_argument("--resume", action="store_true", help="leave out what the results file says was killed")
    parser.add_argument(
        "--check", action="store_true", help="only look whether every entry fits the code; runs no test"
    )
    parser.add_argument("--lists", type=Path, default=LISTS, help="folder of the lists")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file of the outcomes")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    entries = load(options.lists)
    known = {name for entry in entries for name in (entry.area, entry.id)}
    if unknown := set(options.which) - known:
        print(f"There is no area and no mutation called {', '.join(sorted(unknown))}.")
        return 1
    entries = [entry for entry in entries if not options.which or {entry.area, entry.id} & set(options.which)]
    wrong = {entry.id: text for entry in entries if (text := problem(entry))}
    for name, text in wrong.items():
        print(f"{name}: {text}")
    if options.check:
        print(f"{len(entries)} mutations, {len(wrong)} do not fit the code.")
        return int(bool(wrong))
    earlier = stored(options.results)
    outcomes = still_valid(earlier, [entry for entry in entries if entry.id not in wrong]) if options.resume else {}
    entries_left = [entry for entry in entries if entry.id not in outcomes and entry.id not in wrong]

    def told(entry: Mutation, outcome: Outcome) -> None:
        outcomes[entry.id] = outcome
        print(f"{outcome.status:10} {outcome.seconds:6.1f} s  {entry.area}/{entry.id}  {outcome.detail}", flush=True)
        options.results.parent.mkdir(parents=True, exist_ok=True)
        every = earlier | outcomes  # other areas' results stay in the file
        options.results.write_text(
            json.dumps({"outcomes": {name: dataclasses.asdict(value) for name, value in every.items()}}, indent=1)
        )

    if entries_left:
        try_all(entries_left, max(1, options.jobs), told)
    print("\n" + table(entries, outcomes))
    bad = [entry for entry in entries if entry.id not in outcomes or outcomes[entry.id].status in (SURVIVED, ERROR)]
    for entry in bad:
        print(f"{outcomes[entry.id].status if entry.id in outcomes else ERROR}: {entry.id}: {entry.breaks}")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
