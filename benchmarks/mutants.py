"""Which changes of the code does no test notice? Writes `benchmarks/results/mutants.csv`.

python -m benchmarks.mutants FOLDER [--most 400] [--files 'features/items/*' ...] [--tests items black ...]

Needs the extra `mutation`. FOLDER gets a clone of HEAD, the only tree that is changed, and notes on what each test
runs. Start the command again to resume: a mutant of a file that has not changed is run once; `--again survived` runs
survivors again.

Mutants come from Cosmic Ray's operators. At each place one operator is drawn, since eleven replacements for each `+`
would crowd out the rest. The sample is spread over the files as the places are, with at most 60 from a file, and drawn
by seed, file and share. Cosmic Ray's own runner starts a new process for each mutant, and mutmut has no sample. Here, a
process that has imported TensorFlow and the other libraries, but no module of the project, forks for each mutant. A
fork runs only the tests that reach the mutated lines, the fastest first, up to SECONDS_OF_TESTS, and ends with the
first failure.
"""

import argparse
import ast
import difflib
import fnmatch
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from benchmarks import results

ROOT = Path(__file__).parents[1]
SCOPE = ("features", "models", "pipeline/training")
SEED, MUTANTS, MOST_IN_A_FILE = 0, 400, 60
SECONDS_OF_TESTS = 60  # by the seconds that they take alone
LEARNING_SECONDS = 1800  # that a file of tests may take
LEAST_SECONDS, PATIENCE = 60, 4  # a mutant's tests may take so many times as long as without it, and at least so long
PRELOADED = "tensorflow keras jax sklearn.ensemble scipy.ndimage pandas optuna hypothesis pytest psutil PIL.Image yaml"
# Tests of whole commands in processes of their own, which no coverage sees, and tests of other packages.
LEFT_OUT = "end_to_end documents structure upload upload_failures download ledger orphans results make commands"
PROJECT = ("benchmarks", "features", "models", "pipeline", "submissions", "tests")
KILLED, SURVIVED, TIMEOUT, UNTESTED = "killed", "survived", "timeout", "untested"


@dataclass(frozen=True)
class Mutant:
    """A change of one place in a file."""

    file: str
    line: int
    column: int
    operator: str
    occurrence: int  # of the operator in the file


def main(arguments: list[str] | None = None) -> None:
    """Draw the sample, find the lines that each test runs, and run the mutants that have no row yet."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description="Look for untested code.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=MUTANTS, help="mutants in the sample")
    parser.add_argument("--files", nargs="*", default=["*"], help="patterns of the files to mutate")
    parser.add_argument("--tests", nargs="*", default=["*"], help="patterns of the names of test files, without test_")
    parser.add_argument("--again", default="", help="status of mutants to run again")
    parser.add_argument("--minutes", type=float, default=180, help="after which no mutant is begun")
    options = parser.parse_args(arguments)
    deadline = time.monotonic() + 60 * options.minutes
    tree, commit = _clone(options.folder)
    for name in PRELOADED.split():
        __import__(name)
    sample = [
        m for m in _sample(tree, options.most) if any(fnmatch.fnmatch(m.file, pattern) for pattern in options.files)
    ]
    tests = Tests(tree, options.folder.absolute() / "tests", options.tests)
    known_keys = _known_keys(options.again)
    waiting = [mutant for mutant in sample if _key(tree, mutant) not in known_keys]
    print(f"{len(sample)} mutants, {len(sample) - len(waiting)} done before", flush=True)
    random.Random(SEED).shuffle(waiting)
    for number, mutant in enumerate(waiting, 1):
        if time.monotonic() > deadline:
            print(f"time is over, {len(waiting) - number + 1} mutants are left")
            break
        row = _row(tree, mutant, tests) | {"commit": commit}
        with FileLock(options.folder.absolute().parent / "mutants.lock"):  # several runs may share the table
            results.write("mutants", [row])
        print(
            f"{number}/{len(waiting)} {row['member']} {row['status']} {row['seconds']:.0f} s {row['diff']}", flush=True
        )


def _clone(folder: Path) -> tuple[Path, str]:
    """Bring a clone of HEAD into the folder; return its path and the commit."""
    tree = folder.absolute() / "tree"
    commit = subprocess.check_output(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], text=True).strip()
    if not tree.exists():
        subprocess.run(["git", "clone", "--quiet", ROOT, tree], check=True)
    subprocess.run(["git", "-C", tree, "fetch", "--quiet", ROOT, "HEAD"], check=True)
    subprocess.run(["git", "-C", tree, "reset", "--quiet", "--hard", "FETCH_HEAD"], check=True)
    return tree, commit


def _sample(tree: Path, most: int) -> list[Mutant]:
    """Return the mutants to run, in order of their places."""
    places = {file: _places(tree, file) for package in SCOPE for file in _modules(tree, package)}
    total = sum(map(len, places.values()))
    mutants = []
    for file, operators_at in places.items():
        rng = random.Random(f"{SEED} {file}")
        share = min(MOST_IN_A_FILE, round(most * len(operators_at) / total))
        for place in sorted(rng.sample(sorted(operators_at), share)):
            operator, occurrence = rng.choice(operators_at[place])
            mutants.append(Mutant(file, *place, operator, occurrence))
    return mutants


def _modules(tree: Path, package: str) -> list[str]:
    return sorted(str(path.relative_to(tree)) for path in (tree / package).rglob("*.py"))


def _places(tree: Path, file: str) -> dict[tuple[int, int], list[tuple[str, int]]]:
    """Return the operators, with their occurrence in the file, that can mutate each (line, column)."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    source = (tree / file).read_text(encoding="utf-8")
    annotated, nodes, places = _annotations(source), list(ast_nodes(get_ast(source))), {}
    for name in operator_names():
        if get_operator(name).arguments():
            continue  # operators for names that a person chooses
        positions = [place for node in nodes for place in get_operator(name)().mutation_positions(node)]
        for occurrence, (start, _) in enumerate(positions):
            if not any(first <= start < last for first, last in annotated):
                places.setdefault(tuple(start), []).append((name, occurrence))
    return places


def _annotations(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return where type hints begin and end. They are not mutated, because they change no result."""
    hints = []
    for node in ast.walk(ast.parse(source)):
        for name in ("annotation", "returns"):
            hint = getattr(node, name, None)
            if hint is not None:
                hints.append(((hint.lineno, hint.col_offset), (hint.end_lineno, hint.end_col_offset)))
    return hints


def _mutate(tree: Path, mutant: Mutant) -> str:
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    source = (tree / mutant.file).read_text(encoding="utf-8")
    return mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence)


def _row(tree: Path, mutant: Mutant, tests: "Tests") -> dict:
    """Run a mutant and return its row."""
    path = tree / mutant.file
    source, changed = path.read_text(encoding="utf-8"), _mutate(tree, mutant)
    lines = list(difflib.unified_diff(source.splitlines(), changed.splitlines(), n=0, lineterm=""))[3:]
    names, seconds = tests.of(mutant.file, _lines(source, mutant.line))
    started = time.monotonic()
    path.write_text(changed, encoding="utf-8")
    try:
        status = _outcome(tree, names, max(LEAST_SECONDS, PATIENCE * seconds)) if names else UNTESTED
    finally:
        path.write_text(source, encoding="utf-8")
    return {
        "member": _key(tree, mutant),
        "setting": mutant.operator.removeprefix("core/"),
        "line": mutant.line,
        "diff": " ".join(line[0] + " ".join(line[1:].split()) for line in lines),
        "status": status,
        "tests": len(names),
        "test_files": " ".join(sorted({Path(name.partition("::")[0]).stem for name in names})),
        "seconds": time.monotonic() - started,
    }


def _key(tree: Path, mutant: Mutant) -> str:
    """Return the key of a mutant: its file with a digest of its content, and its place."""
    digest = hashlib.blake2b((tree / mutant.file).read_bytes(), digest_size=4).hexdigest()
    return f"{mutant.file}@{digest}:{mutant.line}:{mutant.column}"


def _known_keys(again: str) -> set[str]:
    """Return the keys of the mutants that have a row, except those with the status `again`."""
    if not results.path_of("mutants").exists():
        return set()
    rows = results.read("mutants")
    return set(rows["member"][rows["status"] != again])


def _lines(source: str, line: int) -> range | None:
    """Return the lines of the smallest statement around a line, but for statements in it; None if importing runs it."""
    statement, is_in_a_function = range(line, line + 1), False
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.stmt) or not node.lineno <= line <= node.end_lineno:
            continue
        body = getattr(node, "body", None)
        if not body or line < body[0].lineno:
            statement = range(node.lineno, (body[0].lineno - 1 if body else node.end_lineno) + 1)
        elif isinstance(node, ast.FunctionDef):
            is_in_a_function = True
    return statement if is_in_a_function else None


def _outcome(tree: Path, names: list[str], limit_seconds: float) -> str:
    status = _run_in_fork(tree, lambda: _pytest([*names, "-x"]), limit_seconds)
    return {None: TIMEOUT, 0: SURVIVED}.get(status, KILLED)


def _pytest(arguments: list[str], plugins: tuple = ()) -> int:
    import pytest

    return int(
        pytest.main(["-q", "-p", "no:cacheprovider", "-n", "0", "-m", "not nightly", *arguments], plugins=list(plugins))
    )


def _run_in_fork(tree: Path, work: Callable[[], int], limit_seconds: float, may_cache: bool = False) -> int | None:
    """Return the exit status of the work in a forked process in the tree, or None if it took too long."""
    child = os.fork()
    if child == 0:
        _become_child(tree, work, may_cache)
    ends = time.monotonic() + limit_seconds
    while time.monotonic() < ends:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)  # the child leads a group of its own
    os.waitpid(child, 0)
    return None


def _become_child(tree: Path, work: Callable[[], int], may_cache: bool) -> None:
    """Run the work as a process of the tree. Bytecode is cached only for code without a mutation."""
    status = 70
    try:
        os.setsid()
        os.chdir(tree)
        log = os.open(tree.parent / "child.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ |= {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "" if may_cache else "1"}
        sys.dont_write_bytecode = not may_cache
        sys.path[:] = [str(tree), *(path for path in sys.path if Path(path or ".").resolve() != ROOT)]
        for name in [name for name in sys.modules if name.partition(".")[0] in PROJECT]:
            del sys.modules[name]
        status = work()
    finally:
        os._exit(status)


class Tests:
    """The lines that each test runs, and its seconds. They are measured once for each version of a test file."""

    def __init__(self, tree: Path, folder: Path, patterns: list[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.seconds: dict[str, float] = {}
        self.names_by_line: dict[str, dict[int, set[str]]] = {}
        for file in sorted((tree / "tests").glob("test_*.py")):
            name = file.stem.removeprefix("test_")
            if name in LEFT_OUT.split() or not any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
                continue
            digest = hashlib.blake2b(file.read_bytes(), digest_size=4).hexdigest()
            cache_file = folder / f"{file.stem}-{digest}.json"
            if not cache_file.exists():
                print(f"what {file.stem} runs", flush=True)
                _run_in_fork(
                    tree,
                    lambda file=file, cache_file=cache_file: _learn(tree, file, cache_file),
                    LEARNING_SECONDS,
                    may_cache=True,
                )
            if cache_file.exists():
                self._add(json.loads(cache_file.read_text(encoding="utf-8")))

    def _add(self, learnt: dict) -> None:
        self.seconds |= learnt["seconds"]
        for file, lines in learnt["lines"].items():
            for line, names in lines.items():
                self.names_by_line.setdefault(file, {}).setdefault(int(line), set()).update(names)

    def of(self, file: str, lines: range | None) -> tuple[list[str], float]:
        """Return the tests that reach lines of a file, or any line of it without `lines`.

        The fastest come first, as many as SECONDS_OF_TESTS allow, with the seconds that they take.
        """
        names_by_line = self.names_by_line.get(file, {})
        names = set().union(*(names_by_line.get(line, set()) for line in lines or names_by_line))
        names_in_time, total = [], 0.0
        for name in sorted(names & self.seconds.keys(), key=self.seconds.get):
            total += self.seconds[name]
            if names_in_time and total > SECONDS_OF_TESTS:
                break
            names_in_time.append(name)
        return names_in_time, total


def _learn(tree: Path, file: Path, cache_file: Path) -> int:
    """Run a file of tests under coverage and write its JSON: seconds of passed tests, tests by file and line."""
    import coverage
    import pytest

    class Contexts:
        def __init__(self) -> None:
            self.seconds: dict[str, float] = {}
            self.failed: set[str] = set()

        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
            coverage_of_tests.switch_context(item.nodeid)
            started = time.monotonic()
            yield
            self.seconds[item.nodeid] = time.monotonic() - started
            coverage_of_tests.switch_context("")

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.failed:
                self.failed.add(report.nodeid)

    coverage_of_tests = coverage.Coverage(
        data_file=None, include=[f"{tree / package}/*" for package in SCOPE], config_file=False
    )
    contexts = Contexts()
    coverage_of_tests.start()
    _pytest([str(file.relative_to(tree))], (contexts,))
    coverage_of_tests.stop()
    data, lines = coverage_of_tests.get_data(), {}
    for path in data.measured_files():
        by_line = data.contexts_by_lineno(path)
        lines[str(Path(path).relative_to(tree))] = {line: sorted(set(names)) for line, names in by_line.items()}
    seconds = {
        name: seconds_of_test for name, seconds_of_test in contexts.seconds.items() if name not in contexts.failed
    }
    cache_file.write_text(json.dumps({"seconds": seconds, "lines": lines}), encoding="utf-8")
    return 0


if __name__ == "__main__":
    main()
