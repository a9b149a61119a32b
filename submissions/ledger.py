"""`python -m submissions.ledger`: show every upload with its out-of-fold score and its current public score.

The ledger is a log. Each upload gets a line before it is sent, and a further line whenever its status or scores change.
The last line of an upload counts. The first line has the status `unknown`, so the next command knows that it must ask
Kaggle about this upload, even after a crash.
"""

import argparse
import csv
import io
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace

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
from submissions.client import KaggleError, ListedSubmission
from submissions.command import run
from submissions.rules.uploads import COLUMNS, Entry, agreement, read_uploads

SETTLE_SECONDS = 20  # a submission may appear in the listing this late
POLL_SECONDS = 2
LISTED_STATUSES = ("pending", "complete", "error")  # Kaggle's own; the others are unknown, unlisted, failed
TABLE_COLUMNS = ("time", "task", "commit", "metric", "out_of_fold", "public", "private", "status", "ref", "message")


def load() -> list[Entry]:
    """Return the last line of every upload, in the order in which the uploads began.

    Raises:
        BadInput: the ledger is damaged.
    """
    with blame(LEDGER):
        return read_uploads(LEDGER)


def append(entry: Entry) -> Entry:
    """Add a line and return it. One process at a time replaces the whole file.

    Raises:
        BadInput: the line cannot be encoded as UTF-8.
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
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(values)  # a message may contain a line break
    return text.getvalue().encode()


@contextmanager
def uploading() -> Iterator[None]:
    """Let one process at a time upload, or update the ledger from Kaggle.

    Raises:
        BadInput: another process is doing so.
    """
    try:
        lock = _lock("upload.lock").acquire(timeout=0)
    except Timeout:
        raise BadInput("another upload, or the ledger command, is running; wait for its end") from None
    with lock:
        yield


def _lock(name: str) -> FileLock:
    LEDGER.parent.mkdir(exist_ok=True)
    return FileLock(LEDGER.with_name(name))


def update(entry: Entry, listing: list[ListedSubmission]) -> Entry:
    """Return the upload with the status and scores of Kaggle's listing. If they changed, append them to the ledger."""
    match = next((submission for submission in listing if submission.file == f"{entry.upload}.csv"), None)
    if match is None:
        return entry
    known = replace(entry, ref=match.ref, status=match.status, public=match.public, private=match.private)
    return entry if known == entry else append(known)


def settle(entry: Entry, patience_seconds: float, absent: str = "unlisted") -> Entry:
    """Return an upload of unknown status once Kaggle lists it, or with the status `absent` when the patience ends.

    Raises:
        KaggleError: Kaggle returned no listing, so the status stays unknown.
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


def settle_all(competition: str) -> tuple[list[Entry], list[ListedSubmission]]:
    """Return a competition's uploads, all up to date and none `unknown`, and Kaggle's listing.

    Raises:
        BadInput: the client of a killed command is still running.
        KaggleError: Kaggle returned no listing.
    """
    listing = client.listing(competition)
    entries = [update(entry, listing) for entry in load() if entry.competition == competition]
    for index, entry in enumerate(entries):
        if entry.status == "unknown":
            if client.is_running(entry.upload):
                raise BadInput(f"{entry.upload} is still being sent by an earlier command's client; wait for its end")
            entries[index] = settle(entry, SETTLE_SECONDS)
    return entries, listing


def reason_of(entry: Entry) -> str:
    """Return why Kaggle could not score an upload: its own message, or where to read it."""
    with suppress(KaggleError):
        if reason := client.error_of(entry.competition, entry.ref):
            return f"Kaggle says {one_line(reason)}"
    return f"see the submissions page of {entry.competition} on Kaggle"


def show(params: Params, arguments: argparse.Namespace) -> None:
    """Print the ledger, with current scores if Kaggle can be reached."""
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
    print(markdown(pd.DataFrame([_table_row(entry) for entry in entries])))
    for entry in entries:
        if entry.status == "error":
            print(f"submission {entry.ref} was not scored: {reason_of(entry)}")
    for task, metric in dict.fromkeys((entry.task, entry.metric) for entry in entries):
        with blame(LEDGER):
            line = agreement([entry for entry in entries if (entry.task, entry.metric) == (task, metric)])
        print(f"{task}: {line}")


def _table_row(entry: Entry) -> dict:
    row = {name: getattr(entry, name) for name in TABLE_COLUMNS}
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


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = parser_of(__doc__)
    run("ledger", show, parser.parse_args(arguments))


if __name__ == "__main__":
    main()
