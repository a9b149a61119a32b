"""`python -m submissions.ledger`: show every upload with its out-of-fold and public score, asked of Kaggle again.

The ledger is a log: a line is added before an upload is sent, and one more whenever more is known of it. The last line
of an upload is the one that counts. Before anything is sent, its line says `unknown`. So whatever happens then, the
next command knows what to ask Kaggle for.
"""

import argparse
import csv
import io
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from features.labels.intervals import with_bounds
from pipeline.config.errors import one_line
from pipeline.config.schema import Params
from pipeline.reporting.tables import markdown
from pipeline.running.usage import parser_of
from pipeline.storage.files import BadInput, blame, writing
from pipeline.storage.paths import LEDGER
from submissions import client
from submissions.client import KaggleError, Listed
from submissions.command import run

SETTLE_SECONDS = 20  # how long a submission may take to be listed
POLL_SECONDS = 2
HELD = ("pending", "complete", "error")  # statuses of what Kaggle holds; the others are unknown, unlisted, failed
SHOWN = ("time", "task", "commit", "out_of_fold", "public", "private", "status", "ref", "message")


@dataclass(frozen=True)
class Entry:
    """A line of the ledger, all of it text."""

    time: str  # when the upload began, UTC
    upload: str  # the name that the file has on Kaggle, less .csv: task, time, hash
    task: str
    competition: str
    sha256: str  # of the file
    commit: str  # of the project; empty where it is not in git
    state: str  # clean or dirty
    members: str  # with their weights; empty where the file is not the ensemble's, as are the next two
    weights_sha256: str  # of the trained models and their weights in the ensemble
    out_of_fold: str  # accuracy
    low: str  # its 95 % interval
    high: str
    message: str
    ref: str  # Kaggle's number of the submission
    status: str  # unknown, unlisted, failed, or Kaggle's own: pending, complete, error
    public: str
    private: str


COLUMNS = [field.name for field in fields(Entry)]
OLDER_COLUMNS = [name for name in COLUMNS if name not in ("low", "high")]  # a ledger that has these keeps them


def load() -> list[Entry]:
    """Return the last line of every upload, in the order in which they were begun.

    Raises:
        BadInput: the ledger is no CSV, has other columns, or a line of another length.
    """
    if not LEDGER.exists():
        return []
    try:
        with blame(LEDGER), LEDGER.open(encoding="utf-8-sig", newline="") as file:
            header, *lines = list(csv.reader(file)) or [[]]
    except csv.Error as error:
        raise BadInput(f"{LEDGER}: not readable as CSV ({error})") from error
    if header not in (COLUMNS, OLDER_COLUMNS):
        raise BadInput(f"{LEDGER}: columns {', '.join(header)}, expected {', '.join(COLUMNS)}")
    for number, line in enumerate(lines, 2):
        if len(line) != len(header):
            raise BadInput(f"{LEDGER}: entry {number} has {len(line)} values, expected {len(header)}")
    empty = dict.fromkeys(COLUMNS, "")
    entries = [Entry(**empty | dict(zip(header, line, strict=True))) for line in lines]
    return list({entry.upload: entry for entry in entries}.values())


def append(entry: Entry) -> Entry:
    """Add a line and return it; the ledger is replaced as a whole, by one process at a time.

    Raises:
        BadInput: it is no text that UTF-8 can hold.
    """
    with _lock("ledger.lock"), blame(LEDGER):
        before = LEDGER.read_bytes() if LEDGER.exists() else _line(COLUMNS)
        if not before.endswith(b"\n"):
            before += b"\n"
        with writing(LEDGER) as part:
            header = next(csv.reader([before.decode("utf-8-sig").partition("\n")[0]]))
            values = asdict(entry)
            part.write_bytes(before + _line(values.get(name, "") for name in header))
    return entry


def _line(values: Iterable[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(values)  # a message may hold a line break
    return text.getvalue().encode()


@contextmanager
def uploading() -> Iterator[None]:
    """Let one process at a time send and settle.

    Raises:
        BadInput: another one does.
    """
    try:
        held = _lock("upload.lock").acquire(timeout=0)
    except Timeout:
        raise BadInput("another upload, or the ledger command, is at work; wait for its end") from None
    with held:
        yield


def _lock(name: str) -> FileLock:
    LEDGER.parent.mkdir(exist_ok=True)
    return FileLock(LEDGER.with_name(name))


def update(entry: Entry, held: list[Listed]) -> Entry:
    """Return an upload as Kaggle's listing has it, in a line of its own where that is news."""
    found = next((each for each in held if each.file == f"{entry.upload}.csv"), None)
    if found is None:
        return entry
    known = replace(entry, ref=found.ref, status=found.status, public=found.public, private=found.private)
    return entry if known == entry else append(known)


def settle(entry: Entry, patience_seconds: float, absent: str = "unlisted") -> Entry:
    """Ask for the listing until it shows an upload of unknown outcome; its status is `absent` if it does not in time.

    Raises:
        KaggleError: there is no listing; the outcome stays unknown.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        last = time.monotonic() >= deadline
        try:
            entry = update(entry, client.listing(entry.competition))
        except KaggleError:
            if last:
                raise
        else:
            if entry.status != "unknown":
                return entry
            if last:
                return append(replace(entry, status=absent))
        time.sleep(POLL_SECONDS)


def settle_all(competition: str) -> tuple[list[Entry], list[Listed]]:
    """Return every upload to a competition, up to date and none of them unknown, and all that Kaggle holds.

    Raises:
        BadInput: a killed command's client is still at work.
        KaggleError: there is no listing.
    """
    held = client.listing(competition)
    entries = [update(entry, held) for entry in load() if entry.competition == competition]
    for index, entry in enumerate(entries):
        if entry.status == "unknown":
            if client.is_running(entry.upload):
                raise BadInput(f"{entry.upload} is still being sent by an earlier command's client; wait for its end")
            entries[index] = settle(entry, SETTLE_SECONDS)
    return entries, held


def reason_of(entry: Entry) -> str:
    """Return why Kaggle could not score an upload, in its own words where it can be asked."""
    with suppress(KaggleError):
        if reason := client.error_of(entry.competition, entry.ref):
            return f"Kaggle says {one_line(reason)}"
    return f"its page of {entry.competition} says why"


def show(params: Params, arguments: argparse.Namespace) -> None:
    """Print the ledger, its scores up to date where Kaggle can be asked."""
    for competition in dict.fromkeys(entry.competition for entry in load() if not entry.private):
        try:
            with uploading():
                settle_all(competition)
        except (KaggleError, BadInput) as error:
            print(f"ledger: not up to date: {error}", file=sys.stderr)
    entries = load()
    if not entries:
        print(f"no uploads in {LEDGER} yet")
        return
    print(markdown(pd.DataFrame([_shown(entry) for entry in entries])))
    for entry in entries:
        if entry.status == "error":
            print(f"submission {entry.ref} was not scored: {reason_of(entry)}")
    for task in dict.fromkeys(entry.task for entry in entries):
        print(agreement([entry for entry in entries if entry.task == task]))


def _shown(entry: Entry) -> dict:
    row = {name: getattr(entry, name) for name in SHOWN}
    row["time"] = entry.time[:16]
    with blame(LEDGER):
        row["out_of_fold"] = _out_of_fold(entry)
    row["commit"] = entry.commit[:7] + ("-dirty" if entry.state == "dirty" else "")
    row["message"] = " ".join(entry.message.split())[:60]
    return row


def _out_of_fold(entry: Entry) -> str:
    if not entry.low:
        return entry.out_of_fold
    return with_bounds(float(entry.out_of_fold), float(entry.low), float(entry.high))


def agreement(entries: list[Entry]) -> str:
    """Return what the public scores of one task's uploads say of their out-of-fold scores.

    Raises:
        BadInput: a score in the ledger is no number.
    """
    with blame(LEDGER):
        scores = [(float(e.out_of_fold), float(e.public)) for e in entries if e.out_of_fold and e.public]
    own, public = np.array(scores).reshape(-1, 2).T
    told = f"{entries[0].task}: {len(scores)} uploads with out-of-fold and public score"
    if len(scores):
        told += f", public minus out-of-fold {np.mean(public - own):+.4f} on average"
    if len(scores) < 3 or min(np.ptp(own), np.ptp(public)) == 0:
        return f"{told}; a correlation takes three that differ"
    return f"{told}, correlation {np.corrcoef(own, public)[0, 1]:.2f}"


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = parser_of(__doc__)
    run("ledger", show, parser.parse_args(arguments))


if __name__ == "__main__":
    main()
