"""`python -m submissions.upload TASK`: upload the task's submission once, and print its state in Kaggle's listing."""

import argparse
import hashlib
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from features.labels.metrics.metric import Metric
from features.labels.metrics.registry import METRICS
from pipeline.config.schema import Params
from pipeline.running.stage import task_of
from pipeline.running.usage import parser_of
from pipeline.storage import paths
from pipeline.storage.files import BadInput, blame
from pipeline.storage.summaries import load_scores
from pipeline.submission import build_submission
from submissions import client, ledger, provenance
from submissions.client import KaggleError, ListedSubmission
from submissions.command import competition_of, run
from submissions.ledger import LISTED_STATUSES
from submissions.rules.check import check, parse
from submissions.rules.uploads import Entry

WAIT_SECONDS = 1800  # for the score
FIRST_POLL_SECONDS = 3  # then twice as long each time
LAST_POLL_SECONDS = 30
HASH_DIGITS = 12  # in the file's name on Kaggle


def upload(params: Params, arguments: argparse.Namespace) -> None:
    """Check, record, send and confirm a task's submission, then print its scores.

    Raises:
        BadInput: the file is not what Kaggle expects, was uploaded before, or no submission is left today.
        KaggleError: Kaggle did not receive the submission, or it is unknown whether it did.
    """
    key = arguments.task
    competition = competition_of(params, key)
    data, ensemble = _check_submission(params, key)
    with ledger.uploading():
        entries, listed = ledger.settle_all(competition)
        sha256 = hashlib.sha256(data).hexdigest()
        if not arguments.again:
            _refuse_twin(competition, sha256, entries, listed)
        _refuse_beyond_limit(competition)
        entry = _entry(key, competition, sha256, ensemble, arguments.message)
        entry, left = _send(ledger.append(entry), data)
    print(
        f"upload: {competition} holds {entry.upload}.csv as submission {entry.ref}, status {entry.status}", flush=True
    )
    if arguments.wait:
        entry = _wait_for_score(entry)
    _print_result(entry, ensemble, left, METRICS[task_of(params, key).metric.name])


def _check_submission(params: Params, key: str) -> tuple[bytes, provenance.Ensemble | None]:
    """Return the bytes of the checked submission, and the ensemble if it made them."""
    path = paths.submission(key)
    ensemble_submission, sample, form = build_submission(params, key)
    data = path.read_bytes()
    with blame(path):
        submission = parse(data)
        check(submission, sample.table, form)
    ensemble = provenance.ensemble(key, submission, ensemble_submission)
    if ensemble is None:
        print(f"upload: {path} was not made by the current ensemble, so no score is recorded for it", file=sys.stderr)
    return data, ensemble


def _refuse_twin(competition: str, sha256: str, entries: list[Entry], listed: list[ListedSubmission]) -> None:
    """Refuse bytes that are in the ledger, or whose hash is in a listed name (another copy of the project sent it)."""
    twins = {entry.ref for entry in entries if entry.sha256 == sha256 and entry.status in LISTED_STATUSES}
    twins |= {submission.ref for submission in listed if submission.file.endswith(f"-{sha256[:HASH_DIGITS]}.csv")}
    if twins:
        numbers = " and ".join(sorted(twins))
        raise BadInput(f"{competition} already has this file, as submission {numbers}; --again sends it once more")


def _refuse_beyond_limit(competition: str) -> None:
    try:
        limits = client.limits(competition)
    except KaggleError as error:
        print(f"upload: the daily limit is not known ({error})", file=sys.stderr)
        return
    if limits.used_up and limits.limited_by_total:
        raise BadInput(f"no submission to {competition} is left, after {limits.total} in all")
    if limits.used_up:
        now = datetime.now(UTC)
        midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0)
        minutes = int((midnight - now).total_seconds() // 60)
        raise BadInput(
            f"no submission to {competition} is left today, after {limits.today}; "
            f"Kaggle's next day begins at 00:00 UTC, in {minutes // 60} h {minutes % 60} min"
        )


def _entry(key: str, competition: str, sha256: str, ensemble: provenance.Ensemble | None, message: str | None) -> Entry:
    """Return the ledger's line for an upload that is about to begin."""
    commit, now = provenance.commit(), datetime.now(UTC)
    ensemble_columns = dict.fromkeys(("members", "weights_sha256", "metric", "out_of_fold", "low", "high"), "")
    if ensemble is not None:
        shares = " ".join(f"{name}={weight:.4f}" for name, weight in ensemble.weights.items())
        ensemble_columns = {
            "members": shares,
            "weights_sha256": ensemble.sha256,
            "metric": ensemble.metric,
            "out_of_fold": f"{ensemble.score_value:.6f}",
        }
        ensemble_columns |= {"low": f"{ensemble.low:.6f}", "high": f"{ensemble.high:.6f}"}
    return Entry(
        time=now.isoformat(timespec="seconds"),
        upload=f"{key}-{now:%Y%m%d-%H%M%S}-{sha256[:HASH_DIGITS]}",
        task=key,
        competition=competition,
        sha256=sha256,
        commit=commit.hash,
        state=commit.state,
        **ensemble_columns,
        message=message or f"{commit}: {ensemble or 'not made by the current ensemble'}",
        ref="",
        status="unknown",
        public="",
        private="",
    )


def _send(entry: Entry, data: bytes) -> tuple[Entry, int | None]:
    """Send the checked bytes under the upload's name. Return the updated entry, and how many are left today.

    Raises:
        KaggleError: Kaggle did not receive them, or it is unknown whether it did.
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
            f"it is not known whether {entry.competition} received {entry.upload}.csv ({failure or error}); "
            "`python -m submissions.ledger` asks again"
        ) from error
    if entry.status == "failed":
        raise KaggleError(f"not submitted: {failure}")
    if entry.status == "unlisted":
        outcome = failure or "the kaggle client reported success"
        raise KaggleError(
            f"not listed yet: Kaggle does not show {entry.upload}.csv after {patience_seconds:g} s ({outcome}); before "
            "you send it again, `python -m submissions.ledger` asks once more"
        )
    return entry, left


def _wait_for_score(entry: Entry) -> Entry:
    """Return the entry when Kaggle has scored it, or unscored after WAIT_SECONDS."""
    deadline, pause_seconds = time.monotonic() + WAIT_SECONDS, FIRST_POLL_SECONDS
    while entry.status == "pending" and time.monotonic() < deadline:
        time.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, LAST_POLL_SECONDS)
        with suppress(KaggleError):  # retry after a short failure; the deadline ends a long one
            entry = ledger.update(entry, client.listing(entry.competition))
    return entry


def _print_result(entry: Entry, ensemble: provenance.Ensemble | None, left: int | None, metric: Metric) -> None:
    """Print the public score, its place, the scores known before the upload, and the submissions left today."""
    public = float(entry.public) if entry.public else None
    lines = {
        "public score": entry.public or f"not known yet ({entry.status}); `python -m submissions.ledger` asks again"
    }
    if public is not None:
        lines["leaderboard"] = _place(entry.competition, public, metric)
    if ensemble is not None:
        lines["out-of-fold"] = ensemble.score
        if public is not None:
            lines["out-of-fold"] += f", public is {public - ensemble.score_value:+.4f} from it"
        lines["replica score"] = _replica_score(entry.task)
    lines["left today"] = "not known" if left is None else f"{left} submissions"
    for name, text in lines.items():
        print(f"  {name:14} {text}")
    if entry.status == "error":
        raise BadInput(f"Kaggle could not score submission {entry.ref}: {ledger.reason_of(entry)}")


def _place(competition: str, public: float, metric: Metric) -> str:
    try:
        scores = client.leaderboard(competition)
    except KaggleError as error:
        return f"not known ({error})"
    place = 1 + sum(metric.gain(score, public) > 0 for score in scores)
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
    parser.add_argument("-m", "--message", help="description on Kaggle (default: commit, members and score)")
    parser.add_argument("--wait", action="store_true", help="wait for the score")
    parser.add_argument("--again", action="store_true", help="send a file that Kaggle already has")
    run("upload", upload, parser.parse_args(arguments))


if __name__ == "__main__":
    main()
