"""`python -m submissions.upload TASK`: send the task's submission once, and report what Kaggle's listing shows."""

import argparse
import hashlib
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.config.schema import Params
from pipeline.running.stage import task_of
from pipeline.running.usage import parser_of
from pipeline.storage import paths
from pipeline.storage.files import BadInput, blame
from pipeline.storage.summaries import load_scores
from pipeline.submission import made_of
from submissions import client, ledger, provenance
from submissions.client import KaggleError, Listed
from submissions.command import competition_of, run
from submissions.ledger import HELD, Entry
from submissions.rules.check import check, parse

WAIT_SECONDS = 1800  # for the score
FIRST_POLL_SECONDS = 3  # then ever more slowly
LAST_POLL_SECONDS = 30
HASH_DIGITS = 12  # of the name on Kaggle


def upload(params: Params, arguments: argparse.Namespace) -> None:
    """Check, record, send and confirm the submission of a task, then print what is known of it.

    Raises:
        BadInput: the file is not what Kaggle expects, was uploaded before, or no submission is left today.
        KaggleError: Kaggle does not hold the submission, or does not say whether it does.
    """
    key = arguments.task
    competition = competition_of(params, key)
    data, ensemble = _checked(params, key)
    with ledger.uploading():
        entries, held = ledger.settle_all(competition)
        sha256 = hashlib.sha256(data).hexdigest()
        if not arguments.again:
            _refuse_twin(competition, sha256, entries, held)
        _refuse_beyond_limit(competition)
        entry = _entry(key, competition, sha256, ensemble, arguments.message)
        entry, left = _sent(ledger.append(entry), data)
    print(
        f"upload: {competition} holds {entry.upload}.csv as submission {entry.ref}, status {entry.status}", flush=True
    )
    if arguments.wait:
        entry = _scored(entry)
    _tell(entry, ensemble, left)


def _checked(params: Params, key: str) -> tuple[bytes, provenance.Ensemble | None]:
    """Return the bytes of the submission, and the ensemble if it made them."""
    path = paths.submission(key)
    made, sample, classes = made_of(params, key)
    data = path.read_bytes()
    with blame(path):
        submission = parse(data)
        check(submission, sample, classes, task_of(params, key).ingest.train.label_separator)
    ensemble = provenance.ensemble(key, submission, made)
    if ensemble is None:
        print(f"upload: {path} is not the work of the present ensemble, so its score is not claimed", file=sys.stderr)
    return data, ensemble


def _refuse_twin(competition: str, sha256: str, entries: list[Entry], held: list[Listed]) -> None:
    """Look for the same bytes in the ledger, and in the names of what was sent from other copies of the project."""
    twins = {entry.ref for entry in entries if entry.sha256 == sha256 and entry.status in HELD}
    twins |= {each.ref for each in held if each.file.endswith(f"-{sha256[:HASH_DIGITS]}.csv")}
    if twins:
        numbers = " and ".join(sorted(twins))
        raise BadInput(
            f"{competition} holds this very file already, as submission {numbers}; --again sends it once more"
        )


def _refuse_beyond_limit(competition: str) -> None:
    try:
        limits = client.limits(competition)
    except KaggleError as error:
        print(f"upload: the daily limit is not known ({error})", file=sys.stderr)
        return
    if limits.spent and limits.capped:
        raise BadInput(f"no submission to {competition} is left, after {limits.ever} in all")
    if limits.spent:
        now = datetime.now(UTC)
        midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0)
        minutes = int((midnight - now).total_seconds() // 60)
        raise BadInput(
            f"no submission to {competition} is left today, after {limits.today}; "
            f"Kaggle's next day begins at 00:00 UTC, in {minutes // 60} h {minutes % 60} min"
        )


def _entry(key: str, competition: str, sha256: str, ensemble: provenance.Ensemble | None, message: str | None) -> Entry:
    """Return the line that says that an upload is about to be tried."""
    commit, now = provenance.commit(), datetime.now(UTC)
    made = {"members": "", "weights_sha256": "", "out_of_fold": "", "low": "", "high": ""}
    if ensemble is not None:
        shares = " ".join(f"{name}={weight:.4f}" for name, weight in ensemble.weights.items())
        made = {"members": shares, "weights_sha256": ensemble.sha256, "out_of_fold": f"{ensemble.accuracy:.6f}"}
        made |= {"low": f"{ensemble.low:.6f}", "high": f"{ensemble.high:.6f}"}
    return Entry(
        time=now.isoformat(timespec="seconds"),
        upload=f"{key}-{now:%Y%m%d-%H%M%S}-{sha256[:HASH_DIGITS]}",
        task=key,
        competition=competition,
        sha256=sha256,
        commit=commit.hash,
        state=commit.state,
        **made,
        message=message or f"{commit}: {ensemble or 'not the work of an ensemble of this state'}",
        ref="",
        status="unknown",
        public="",
        private="",
    )


def _sent(entry: Entry, data: bytes) -> tuple[Entry, int | None]:
    """Send the bytes that were checked, under the name of the upload; return what Kaggle holds, and what is left today.

    Raises:
        KaggleError: it does not hold them, or it is not known whether it does.
    """
    failure = left = None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{entry.upload}.csv")
        path.write_bytes(data)
        try:
            left = client.submit(entry.competition, path, entry.message)
        except KaggleError as error:
            failure = error
    is_clear = failure is not None and not failure.unclear
    patience_seconds = 0 if is_clear else ledger.SETTLE_SECONDS
    try:
        entry = ledger.settle(entry, patience_seconds, absent="failed" if is_clear else "unlisted")
    except KaggleError as error:
        raise KaggleError(
            f"it is not known whether {entry.competition} holds {entry.upload}.csv ({failure or error}); "
            "`python -m submissions.ledger` asks again"
        ) from error
    if entry.status == "failed":
        raise KaggleError(f"not submitted: {failure}")
    if entry.status == "unlisted":
        said = failure or "the kaggle client reported success"
        raise KaggleError(
            f"not listed yet: Kaggle does not show {entry.upload}.csv after {patience_seconds:g} s ({said}); before "
            "you send it again, `python -m submissions.ledger` asks once more"
        )
    return entry, left


def _scored(entry: Entry) -> Entry:
    """Return the entry once Kaggle has scored it, or as it is when patience ends."""
    deadline, pause_seconds = time.monotonic() + WAIT_SECONDS, FIRST_POLL_SECONDS
    while entry.status == "pending" and time.monotonic() < deadline:
        time.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, LAST_POLL_SECONDS)
        with suppress(KaggleError):  # a moment's trouble; the deadline ends a longer one
            entry = ledger.update(entry, client.listing(entry.competition))
    return entry


def _tell(entry: Entry, ensemble: provenance.Ensemble | None, left: int | None) -> None:
    """Print the public score beside those that were known before it, its place, and the submissions left."""
    public = float(entry.public) if entry.public else None
    lines = {
        "public score": entry.public or f"not known yet ({entry.status}); `python -m submissions.ledger` asks again"
    }
    if public is not None:
        lines["leaderboard"] = _place(entry.competition, public)
    if ensemble is not None:
        lines["out-of-fold"] = ensemble.score
        if public is not None:
            lines["out-of-fold"] += f", public is {public - ensemble.accuracy:+.4f} from it"
        lines["replica score"] = _replica_score(entry.task)
    lines["left today"] = "not known" if left is None else f"{left} submissions"
    for name, told in lines.items():
        print(f"  {name:14} {told}")
    if entry.status == "error":
        raise BadInput(f"Kaggle could not score submission {entry.ref}: {ledger.reason_of(entry)}")


def _place(competition: str, public: float) -> str:
    try:
        scores = client.leaderboard(competition)
    except KaggleError as error:
        return f"not known ({error})"
    place = 1 + sum(score > public for score in scores)
    if place > client.PAGE_ROWS:
        return f"below the first {client.PAGE_ROWS} teams"
    return f"place {place} of {len(scores)} teams listed, by the score alone"


def _replica_score(key: str) -> str:
    scores = load_scores(key)
    known = [
        f"{part} {scores[part]['score']:.4f}" for part in ("public", "private") if scores.get(part, {}).get("rows")
    ]
    return ", ".join(known) or "none (the answers are Kaggle's)"


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = parser_of(__doc__)
    parser.add_argument("task", metavar="TASK", help="an entry under tasks in params.yaml")
    parser.add_argument("-m", "--message", help="what Kaggle shows beside it; else commit, members and score")
    parser.add_argument("--wait", action="store_true", help="wait for the score")
    parser.add_argument("--again", action="store_true", help="send a file that Kaggle holds already")
    run("upload", upload, parser.parse_args(arguments))


if __name__ == "__main__":
    main()
