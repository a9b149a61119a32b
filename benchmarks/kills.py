"""Does a run that is killed many times end with the same files as an undisturbed run?

    nice python -m benchmarks.kills FOLDER [--kills 100] [--seed 0]

Each round writes the tiny project of `faults.yaml` and repeats `python -m pipeline repro` until it finishes. It is
killed KILLS_A_STAGE times during each stage. The moment, the signal and the target (dvc alone, the stage alone, or the
whole process group) are random by the seed. FOLDER gets a line for each kill (`kills.jsonl`). The same command resumes
with the next round.

A round passes if no process survives a kill for more than LINGER_SECONDS, if each kill repeats at most one epoch (or
10 s of shorter ones) and at most one trial, and if the final files are those of an undisturbed run, except for times.
DVC ignores a SIGINT to itself alone while a stage runs. After such a one the group gets SIGKILL after LINGER_SECONDS.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil

from benchmarks import tiny_project
from benchmarks.results import write

EPOCHS = 6
KILLS_A_STAGE = 2
LINGER_SECONDS = 20
RUN_SECONDS = 1800
SAVE_SECONDS = 10  # of epochs that may be repeated
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")
TARGETS = ("dvc", "stage", "group")
STAGE_LINE = re.compile(r"^Running stage '([^']+)'", re.MULTILINE)
TRACEBACK = re.compile(r"^Traceback \(most recent call last\):\n((?: .*\n)+)(\S.*)$", re.MULTILINE)
STAGE_OR_EPOCH_LINE = re.compile(r"^Running stage '([^']+)'|^(\S.*?) +epoch +(\d+)/\d+ ", re.MULTILINE)


def start(project: Path, target: str = "") -> subprocess.Popen:
    """Start `repro` of a target, or of all stages, in a session of its own, with its output at the end of `log`."""
    with (project.parent / "log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline", "repro", *target.split()],
            cwd=project,
            env=tiny_project.environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # even if the harness runs in background
        )


def stages_so_far(project: Path, since: int = 0) -> list[str]:
    """Return the stages that have begun since a byte of the log."""
    return STAGE_LINE.findall((project.parent / "log").read_bytes()[since:].decode(errors="replace"))


def undisturbed_run(folder: Path, target: str = "") -> dict:
    """Return the seconds of each stage and the final contents of a run without kills. They are saved in `folder`."""
    file = folder / "undisturbed.json"
    if not file.exists():
        project = folder / "undisturbed" / "project"
        shutil.rmtree(project.parent, ignore_errors=True)
        tiny_project.make(project, EPOCHS)
        process, start_times = start(project, target), {}
        while process.poll() is None:
            for stage in stages_so_far(project):
                start_times.setdefault(stage, time.monotonic())
            time.sleep(0.02)
        if process.returncode:
            raise RuntimeError((project.parent / "log").read_text()[-3000:])
        times = [*start_times.values(), time.monotonic()]
        seconds = {stage: later - now for stage, now, later in zip(start_times, times, times[1:], strict=False)}
        file.write_text(json.dumps({"seconds": seconds, "contents": tiny_project.contents(project)}))
    return json.loads(file.read_text())


def run_killed_round(
    folder: Path, number: int, reference: dict, draw: random.Random, plan: list[str], target: str = ""
) -> list[dict]:
    """Return a row for each kill of a round. The last row also has the faults of the whole round.

    `plan` has a stage for each kill, in the order of the stages.
    """
    project = folder / f"round-{number}" / "project"
    shutil.rmtree(project.parent, ignore_errors=True)
    tiny_project.make(project, EPOCHS)
    plan, rows = list(plan), []
    while True:
        log = project.parent / "log"
        since = log.stat().st_size if log.exists() else 0
        process, kill = start(project, target), None
        if plan:
            kill = kill_in_next_stage(project, process, since, plan, reference["seconds"], draw)
        if kill is None:
            break
        rows.append({"round": number, "seed_stage": kill.pop("planned"), **kill, "wrong": []})
        if not have_all_ended(process.pid):
            if (kill["signal"], kill["target"]) != ("SIGINT", "dvc"):
                rows[-1]["wrong"].append(f"a process lives {LINGER_SECONDS} s after the kill")
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    status = process.wait(RUN_SECONDS)
    rows[-1]["wrong"] += wrong_at_the_end(project, status, reference, rows)
    return rows


def kill_in_next_stage(
    project: Path, process: subprocess.Popen, since: int, plan: list[str], seconds: dict, draw: random.Random
) -> dict | None:
    """Wait for the next planned stage and a random moment in it, kill, and return a description of the kill.

    Return None if the run ended before that.
    """
    while process.poll() is None:
        running = stages_so_far(project, since)[-1:]
        while plan and running and list(seconds).index(plan[0]) < list(seconds).index(running[0]):
            plan.pop(0)  # the stage ended before its kill
        if running and plan and running[0] == plan[0]:
            break
        if not plan:
            return None
        time.sleep(0.02)
    else:
        return None
    stage, name, target = plan.pop(0), draw.choice(SIGNALS), draw.choice(TARGETS)
    start_time = time.monotonic()
    end = start_time + draw.random() * seconds[stage]
    while time.monotonic() < end and process.poll() is None and stages_so_far(project, since)[-1] == stage:
        time.sleep(0.02)  # until the stage's end, if this run is faster than the undisturbed one
    after = time.monotonic() - start_time
    at = (stages_so_far(project, since) or [stage])[-1]
    if process.poll() is not None or not send(process.pid, getattr(signal, name), target):
        plan.insert(0, stage)
        return None if process.poll() is not None else kill_in_next_stage(project, process, since, plan, seconds, draw)
    return {"planned": stage, "stage": at, "seconds": round(after, 2), "signal": name, "target": target}


def send(pid: int, number: int, target: str) -> bool:
    """Send a signal, and return whether its target existed."""
    try:
        if target == "group":
            os.killpg(pid, number)
            return True
        processes = [psutil.Process(pid)]
        if target == "stage":
            children = processes[0].children(recursive=True)
            processes = [child for child in children if "pipeline." in " ".join(child.cmdline())][:1]
        for process in processes:
            process.send_signal(number)
        return bool(processes)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return False


def have_all_ended(group: int) -> bool:
    """Return whether all processes of a group end within LINGER_SECONDS."""
    until = time.monotonic() + LINGER_SECONDS
    while time.monotonic() < until:
        try:
            alive = [
                process
                for process in psutil.process_iter()
                if os.getpgid(process.pid) == group and process.is_running()
            ]
            if not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]:
                return True
        except (psutil.NoSuchProcess, ProcessLookupError):
            pass
        time.sleep(0.1)
    return False


def wrong_at_the_end(project: Path, status: int, reference: dict, rows: list[dict]) -> list[str]:
    """Return the faults of a finished round."""
    log = (project.parent / "log").read_text(errors="replace")
    if status:
        return [f"status {status}: {log[-600:]}"]
    now, wrong = tiny_project.contents(project), []
    names = sorted(n for n in now.keys() | reference["contents"].keys() if now.get(n) != reference["contents"].get(n))
    if names:
        wrong.append(f"other contents: {', '.join(names)}")
    for frames, error in TRACEBACK.findall(log):
        is_before_our_code = error.startswith("KeyboardInterrupt") and str(project) not in frames
        if not is_before_our_code:
            wrong.append(f"a traceback: {error[-300:]}")
    again = repeated_epochs(log)
    rows[-1]["epochs_again"] = len(again)
    rows[-1]["epoch_seconds_again"] = sum(reference["seconds"][stage] / EPOCHS for stage in again)  # or less
    training_kills = [row for row in rows if row["stage"].partition("@")[0] in ("generate", "train", "train-student")]
    if len(again) > len(training_kills) and rows[-1]["epoch_seconds_again"] > SAVE_SECONDS * len(training_kills):
        wrong.append(f"{len(again)} epochs were repeated in {len(training_kills)} kills")
    study = project / "artifacts/tiny/studies/tiny-tuned/study.json"
    trials = json.loads(study.read_text())["trials"]["given up"] if study.exists() else 0
    rows[-1]["trials_again"] = trials
    if trials > sum(row["stage"] == "tune@tiny-tuned" for row in rows):
        wrong.append(f"{trials} trials were repeated")
    return wrong


def repeated_epochs(log: str) -> list[str]:
    """Return the stage of each epoch that the log has again."""
    stage, epochs = "", []
    for name, title, number in STAGE_OR_EPOCH_LINE.findall(log):
        stage = name or stage
        epochs += [] if name else [(stage, title, number)]
    return [epoch[0] for index, epoch in enumerate(epochs) if epoch in epochs[:index]]


def counts(rows: list[dict]) -> list[dict]:
    """Return a row of results for each target and signal, and one for all."""
    table = pd.DataFrame(rows)
    table["failed"] = [bool(wrong) for wrong in table["wrong"]]
    parts = [(f"{target} {name}", part) for (target, name), part in table.groupby(["target", "signal"])]
    return [
        {"task": "tiny", "member": name, "kills": len(part), "failed": int(part["failed"].sum())}
        | {f"{kind}_again": int(part[f"{kind}_again"].sum()) for kind in ("epochs", "trials")}
        for name, part in [*parts, ("all", table)]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--publish", action="store_true", help="write the counts into benchmarks/results/")
    arguments = parser.parse_args()
    folder = arguments.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "kills.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    reference = undisturbed_run(folder)
    while len(rows) < arguments.kills:
        number = rows[-1]["round"] + 1 if rows else 0
        draw = random.Random(f"{arguments.seed} {number}")
        plan = [stage for stage in reference["seconds"] for _ in range(KILLS_A_STAGE)]
        some = sorted(draw.sample(range(len(plan)), min(len(plan), arguments.kills - len(rows))))
        new = run_killed_round(folder, number, reference, draw, [plan[index] for index in some])
        with log.open("a") as file:
            file.writelines(f"{json.dumps(row)}\n" for row in new)
        rows += new
        print(*(json.dumps(row) for row in new), sep="\n", flush=True)
        if not any(row["wrong"] for row in new):
            shutil.rmtree(folder / f"round-{number}")
    print(pd.DataFrame(counts(rows)).to_string(index=False))
    if arguments.publish:
        passed = sum(not row["wrong"] for row in rows)
        print(write("kills", counts(rows)))
        print(write("faults", [{"task": "tiny", "member": "kills", "faults": len(rows), "passed": passed}]))


if __name__ == "__main__":
    main()
