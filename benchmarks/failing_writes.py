"""Does every stage end in one sentence, with nothing half-written, when any one of its writes fails?

    nice python -m benchmarks.failing_writes FOLDER [--minutes 180] [--stages split train] [--seed 0]

FOLDER gets the tiny project of `faults.yaml` and a line for each fault (`faults.jsonl`). The same command resumes. For
n = 1, 2, ... the n-th open, write, rename or fsync of a stage on the project's outputs fails: with ENOSPC (then all
later calls fail, too), with EIO, or as a short write. Then the stage runs again without a fault. All n of a stage are
tried, in random order by the seed, until the stage's share of the minutes is used up.

A fault passes in two cases: the run ends with one sentence on stderr, exit status 1, and outputs that are absent,
unchanged or complete; or it is a short write that the stage repeats successfully. In both cases, the next run must
leave the same files as a run without a fault.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from benchmarks import tiny_project
from benchmarks.results import write

KINDS = ("ENOSPC", "EIO", "SHORT")
SOURCE = Path(__file__).with_name("failing_calls.c")
SECONDS = 600  # after which a stage counts as stuck


class Stage:
    """A stage of the tiny project, with the project's files before it and after a run without a fault."""

    def __init__(self, folder: Path, command: str) -> None:
        self.folder, self.command = folder, command
        self.project = folder / "project"
        self.before, self.after = folder / f"{command}.before", folder / f"{command}.after"

    def prepare(self) -> int:
        """Save the files, run the stage without a fault, and return the number of calls that may fail."""
        if self.before.exists():  # an earlier harness ended while it tried this stage's faults
            self.back(self.before)
        else:
            _copy(self.project, self.before)
        self.contents_before = tiny_project.contents(self.project)
        result, calls = self.run()
        if result.returncode:
            raise RuntimeError(f"{self.command}: {result.stderr[-2000:]}")
        self.contents_after = tiny_project.contents(self.project)
        shutil.rmtree(self.after, ignore_errors=True)
        _copy(self.project, self.after)
        return calls

    def end(self) -> None:
        """Restore the project to its state after the stage, and delete the saved files."""
        self.back(self.after)
        for state in (self.before, self.after):
            shutil.rmtree(state)

    def run(self, number: int = 0, kind: str = "EIO") -> tuple[subprocess.CompletedProcess, int]:
        """Run the stage with the `number`-th call failing. Return the finished process and the number of calls."""
        counter, log = self.folder / "counter", self.folder / "fault"
        counter.write_bytes(bytes(8))
        log.unlink(missing_ok=True)
        roots = [self.project / name for name in (*tiny_project.OUTPUTS, *tiny_project.STATE)]
        faults = {
            "LD_PRELOAD": str(library(self.folder)),
            "FAULT_ROOTS": ":".join(map(str, roots)),
            "FAULT_COUNTER": str(counter),
            "FAULT_N": str(number),
            "FAULT_KIND": kind,
            "FAULT_LOG": str(log),
        }
        stage, *key = self.command.split()
        result = subprocess.run(
            [sys.executable, "-m", f"pipeline.{stage}", *key],
            cwd=self.project,
            env=tiny_project.environment() | faults,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        return result, int.from_bytes(counter.read_bytes(), sys.byteorder)

    def back(self, state: Path) -> None:
        """Restore the project's files from `state`."""
        for name in (*tiny_project.OUTPUTS, *tiny_project.STATE):
            if name != "submissions":
                shutil.rmtree(self.project / name, ignore_errors=True)
            if (state / name).exists():
                shutil.copytree(state / name, self.project / name, symlinks=True, dirs_exist_ok=True)
        for path in (self.project / "submissions").glob("*.csv"):
            if not (state / "submissions" / path.name).exists():
                path.unlink()

    def fault(self, number: int, kind: str) -> dict:
        """Return the outcome of a fault. Its list `wrong` is empty if the fault passed."""
        self.back(self.before)
        try:
            result, _ = self.run(number, kind)
            wrong, call, path = self.wrong_after_a_fault(result), *self.failed_call()
            again, _ = self.run()
            if again.returncode or tiny_project.contents(self.project) != self.contents_after:
                wrong.append(f"the next run: status {again.returncode}, {different(self)} {again.stderr[-300:]}")
        except subprocess.TimeoutExpired:
            return {"status": None, "said": "", "wrong": ["no end"]}
        return {"call": call, "path": path, "status": result.returncode, "said": result.stderr[-500:], "wrong": wrong}

    def failed_call(self) -> tuple[str, str]:
        """Return the kind and the path of the call that failed in the last run; empty texts if none did."""
        log = self.folder / "fault"
        call, _, path = log.read_text().strip().partition("\t") if log.exists() else ("", "", "")
        return call, path.removeprefix(f"{self.project}/")

    def wrong_after_a_fault(self, result: subprocess.CompletedProcess) -> list[str]:
        """Return what is wrong after a run in which a call failed."""
        wrong, now = [], tiny_project.contents(self.project) if whole(self.project) else {}
        stage = self.command.split()[0]
        errors = [line for line in result.stderr.splitlines() if line.startswith(f"{stage}: error: ")]
        if result.returncode == 0:
            if now != self.contents_after:
                wrong.append("exit status 0, but other files")
        elif result.returncode != 1 or len(errors) != 1 or "Traceback" in result.stderr:
            wrong.append(f"status {result.returncode} with {len(errors)} sentences")
        else:
            before, after = self.contents_before, self.contents_after
            changed = [name for name in before if now.get(name) not in (before[name], after.get(name))]
            new = [name for name in now.keys() - before.keys() if now[name] != after.get(name)]
            wrong += [f"{name} is not as before or after" for name in (*changed, *new)]
        parts = [path for name in tiny_project.OUTPUTS for path in (self.project / name).rglob("*.part")]
        return wrong + [f"{path.relative_to(self.project)} is left" for path in parts]


def _copy(project: Path, state: Path) -> None:
    part = state.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(project, part, symlinks=True)
    part.rename(state)


def whole(project: Path) -> bool:
    """Return whether every output can be read."""
    try:
        tiny_project.contents(project)
    except Exception:
        return False
    return True


def different(stage: Stage) -> list[str]:
    """Return the names of files that differ from those of a run without a fault."""
    if not whole(stage.project):
        return ["damaged files"]
    now = tiny_project.contents(stage.project)
    names = now.keys() | stage.contents_after.keys()
    return sorted(name for name in names if now.get(name) != stage.contents_after.get(name))[:5]


def library(folder: Path) -> Path:
    """Return the library that makes calls fail. Compile it if it is missing."""
    path = folder / "failing_calls.so"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", str(path), str(SOURCE), "-ldl"], check=True)
    return path


def faults(folder: Path, stages: list[str], seed: int, minutes: float) -> Iterator[dict]:
    """Yield a row for each fault, stage by stage. Faults that are recorded in `folder` are not tried again."""
    if not (folder / "project").exists():
        tiny_project.make(folder / "project")
    log = folder / "faults.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    known = {(row["stage"], row["number"], row["kind"]) for row in rows}
    yield from rows
    ended = {command for command in tiny_project.STAGES if (folder / f"{command}.ended").exists()}
    share_seconds = minutes * 60 / max(1, len([command for command in stages if command not in ended]))
    for command in tiny_project.STAGES[: 1 + max(map(tiny_project.STAGES.index, stages))]:
        if command in ended:
            continue
        stage, until = Stage(folder, command), time.monotonic() + share_seconds
        calls = stage.prepare()
        todo = [(number, kind) for number in range(1, calls + 1) for kind in KINDS]
        random.Random(f"{seed} {command}").shuffle(todo)
        for number, kind in todo if command in stages else []:
            if (command, number, kind) in known:
                continue
            if time.monotonic() > until:
                break
            row = {"stage": command, "calls": calls, "number": number, "kind": kind, **stage.fault(number, kind)}
            with log.open("a") as file:
                print(json.dumps(row), file=file)
            yield row
        stage.end()
        (folder / f"{command}.ended").touch()


def counts(rows: list[dict]) -> list[dict]:
    """Return a row of results for each stage and kind of fault."""
    table = pd.DataFrame(rows)
    table["passed"] = [not wrong for wrong in table["wrong"]]
    grouped = table.groupby(["stage", "kind"], sort=False)
    return [
        {"task": "tiny", "member": stage, "setting": kind, "calls": int(part["calls"].max()), "faults": len(part)}
        | {"passed": int(part["passed"].sum())}
        for (stage, kind), part in grouped
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=180)
    parser.add_argument("--stages", nargs="*", default=list({command.split()[0]: 0 for command in tiny_project.STAGES}))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--publish", action="store_true", help="write the counts into benchmarks/results/")
    arguments = parser.parse_args()
    stages = [command for command in tiny_project.STAGES if command.split()[0] in arguments.stages]
    rows = []
    for row in faults(arguments.folder.absolute(), stages, arguments.seed, arguments.minutes):
        rows.append(row)
        if row["wrong"]:
            print(json.dumps(row), flush=True)
    print(pd.DataFrame(counts(rows)).to_string(index=False))
    if arguments.publish:
        passed = sum(not row["wrong"] for row in rows)
        print(write("failing_writes", counts(rows)))
        print(write("faults", [{"task": "tiny", "member": "failing writes", "faults": len(rows), "passed": passed}]))


if __name__ == "__main__":
    main()
