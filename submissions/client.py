"""Run Kaggle's own command-line client.

The client's exit status and output are hints. Only Kaggle's listing proves that it received a submission.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ANSWER_SECONDS = 60  # because the client has no time limit of its own
LIMIT_SECONDS = {"download": None, "submit": 900}  # `submit` is slow: the client tries ten times, with growing pauses
PAGE_ROWS = 200  # the most rows that Kaggle returns at once
UPLOAD_FAILED = "Could not submit to competition"  # the client before 2.2.5 prints it and exits with status 0
NOT_STORED = "Kaggle's storage did not take the file; try again later"


class KaggleError(Exception):
    """One sentence: what went wrong, and what to do. It is `unclear` if Kaggle may have carried out the request."""

    def __init__(self, sentence: str, unclear: bool = False) -> None:
        super().__init__(sentence)
        self.unclear = unclear


@dataclass(frozen=True)
class ListedSubmission:
    """A submission in Kaggle's listing."""

    ref: str  # Kaggle's number
    file: str  # name
    status: str  # pending, complete or error
    public: str  # score; empty until it is known
    private: str  # score; empty until it is known


@dataclass(frozen=True)
class Limits:
    """How many submissions the user's team made, and how many are left."""

    today: int
    total: int
    left: int  # today
    limited_by_total: bool  # whether the competition's total limit, not the daily one, sets `left`

    @property
    def used_up(self) -> bool:
        """Whether Kaggle would refuse one more. A user without a team has only zeros, but may submit."""
        return self.left == 0 and self.total > 0


def listing(competition: str) -> list[ListedSubmission]:
    """Return the newest PAGE_ROWS submissions of this user's team, newest first.

    The client cannot list older ones. This is enough, because an upload is looked up soon after it was sent.
    """
    fields = "json(ref,fileName,status,publicScore,privateScore)"
    output = _run(competition, "submissions", "--page-size", str(PAGE_ROWS), "--format", fields)
    return [_from_row(row) for row in _parse_json(output)]


def _from_row(row: dict) -> ListedSubmission:
    status = str(row["status"]).rpartition(".")[2].lower()  # SubmissionStatus.COMPLETE
    public, private = (str(row[name] or "") if status == "complete" else "" for name in ("publicScore", "privateScore"))
    return ListedSubmission(str(row["ref"]), str(row["fileName"]), status, public, private)


def error_of(competition: str, ref: str) -> str | None:
    """Return why Kaggle could not score a submission, or None if it gives no reason.

    Raises:
        KaggleError: Kaggle cannot be asked, or the client is too old to ask.
    """
    output = _run(competition, "submission", ref)
    reason = re.search(r"^Error\s*:?\s+(.+?)\s*^Public Score", output, re.MULTILINE | re.DOTALL)
    return _without_secrets(" ".join(reason[1].split())) if reason else None


def limits(competition: str) -> Limits:
    """Return how many submissions were made and how many are left."""
    counts = _parse_json(_run(competition, "submission-limits", "--json"))  # Kaggle omits zeros
    today, total, left = (counts.get(name, 0) for name in ("numToday", "numTotal", "numAllowedNow"))
    return Limits(today, total, left, limited_by_total=counts.get("limitedByTotal", False))


def leaderboard(competition: str) -> list[float]:
    """Return the scores of the best PAGE_ROWS teams on the public leaderboard."""
    rows = _parse_json(
        _run(competition, "leaderboard", "--show", "--page-size", str(PAGE_ROWS), "--format", "json(score)")
    )
    return [float(row["score"]) for row in rows if row["score"]]


def file_names(competition: str) -> list[str]:
    """Return the names of the competition's first PAGE_ROWS files."""
    rows = _parse_json(_run(competition, "files", "--page-size", str(PAGE_ROWS), "--format", "json(name)"))
    return [row["name"] for row in rows]


def download(competition: str, folder: Path) -> None:
    """Save the archive of the competition's files in `folder`. Resume the partial file of an earlier call."""
    progress = sys.stderr.isatty()
    _run(competition, "download", "--path", str(folder), *([] if progress else ["-q"]), progress=progress)


def submit(competition: str, path: Path, message: str) -> int | None:
    """Send a file and return how many submissions are left today, or None if the client does not print it.

    A return without an error does not prove that Kaggle received the file.
    """
    output = _run(competition, "submit", "-f", str(path), f"--message={message}")
    if UPLOAD_FAILED in output:
        raise KaggleError(NOT_STORED)
    left = re.search(r"^(\d+) submissions remaining today", output, re.MULTILINE)
    return int(left[1]) if left else None


def is_running(name: str) -> bool:
    """Return whether a client of a killed command is still sending the file `name`.csv."""
    for process in psutil.process_iter(["cmdline"]):
        if process.pid != os.getpid() and any(Path(word).stem == name for word in process.info["cmdline"] or ()):
            return True
    return False


def _run(competition: str, verb: str, *options: str, progress: bool = False) -> str:
    """Return what the client printed.

    Raises:
        KaggleError: the client reported a failure, did not end in time, or is not installed.
    """
    competition_option = [] if verb == "submission" else ["-c", competition]  # `submission` takes a number instead
    command = [_binary(), "-W", "competitions", verb, *competition_option, *options]
    limit_seconds = LIMIT_SECONDS.get(verb, ANSWER_SECONDS)
    try:
        result = _run_with_progress(command) if progress else _run_quietly(command, limit_seconds)
    except subprocess.TimeoutExpired:
        sentence = f"Kaggle did not answer within {limit_seconds:g} s; try again later"
        raise KaggleError(sentence, unclear=True) from None
    if result.returncode < 0 or result.stdout.startswith("User cancelled operation"):  # Ctrl-C ends it with status 0
        raise KaggleError("the kaggle client was interrupted", unclear=True)
    if result.returncode:
        raise _error_of_client(competition, result.stdout, result.stderr)
    return result.stdout


def _run_quietly(command: list[str], limit_seconds: float | None) -> subprocess.CompletedProcess:
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=limit_seconds,
        check=False,
    )


def _run_with_progress(command: list[str]) -> subprocess.CompletedProcess:
    """Run the client and show only its progress bar on the terminal."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe) as client:
        try:
            errors = b""
            assert isinstance(client.stderr, io.BufferedReader) and client.stdout  # as both are binary pipes
            while part := client.stderr.read1():
                errors += part
                if part.startswith(b"\r"):
                    sys.stderr.write(part.decode(errors="replace"))
                    sys.stderr.flush()
            output = client.stdout.read()
        except BaseException:
            client.kill()
            raise
    sys.stderr.write("\n")
    return subprocess.CompletedProcess(
        command, client.returncode, *(t.decode(errors="replace") for t in (output, errors))
    )


def _binary() -> str:
    """Return the client of this environment, or the one on the PATH."""
    beside = shutil.which("kaggle", path=Path(sys.executable).parent)
    binary = beside or shutil.which("kaggle")
    if binary is None:
        raise KaggleError("no command kaggle; install it with `pip install kaggle`")
    return binary


def _parse_json(output: str) -> Any:
    """Return the JSON that the client printed after its notes. For an empty table it prints a sentence instead."""
    if re.search(r"^No (submissions|results|files) found$", output, re.MULTILINE):
        return []
    start = re.search(r"^[\[{]", output, re.MULTILINE)
    try:
        return json.JSONDecoder().raw_decode(output, start.start() if start else 0)[0]
    except ValueError:
        raise KaggleError(f"the kaggle client printed {_last_line(output)!r}, expected JSON") from None


# The client prints the server's message without the status code, so these patterns match the message.
_NO_LOGIN = r"\b401\b|unauthenticated|unauthorized"  # for a refused token; without any token the client prints its help
_NETWORK = (
    r"max retries exceeded|connection (aborted|broken|refused|reset)|network is|name resolution|timed out"
    r"|incompleteread|does not match expected size"
)
_BUSY = r"\b429\b|too many requests|rate limit"
_BROKEN = r"\b5\d\d\b|server error|internal error|unavailable"
_FORBIDDEN = r"\b403\b|forbidden|permission|rules|denied|not authori[sz]ed"
_UNKNOWN = r"\b404\b|not found|does not exist|no such"


def _error_of_client(competition: str, output: str, errors: str) -> KaggleError:
    """Return the sentence for a client that ended with an error."""
    page = f"https://www.kaggle.com/competitions/{competition}"
    message = _last_line(_without_hint(errors)) or _last_line(output)
    if "Authentication required to call the Kaggle API" in output or re.search(_NO_LOGIN, message, re.IGNORECASE):
        return KaggleError(
            "Kaggle knows no such user: there are no credentials, or it refused them; run `kaggle auth login`, "
            "or save a token of https://www.kaggle.com/settings/api in ~/.kaggle/access_token"
        )
    reply = f"Kaggle says {message!r}"
    for pattern, sentence, unclear in (
        (UPLOAD_FAILED, NOT_STORED, False),
        (_NETWORK, "Kaggle cannot be reached, or the connection broke; check the network and try again", True),
        (_BUSY, f"{reply}: too many requests; wait a minute and try again", False),
        (_FORBIDDEN, f"{reply}: accept the rules at {page}/rules, logged in as the same user", False),
        (_UNKNOWN, f"{reply}: is there a competition at {page}? Its name is tasks.TASK.competition", False),
        (_BROKEN, f"{reply}: an error on its side; try again later", True),
    ):
        if re.search(pattern, message, re.IGNORECASE):
            return KaggleError(sentence, unclear)
    return KaggleError(reply if message else "the kaggle client failed without a message", unclear=not message)


def _without_hint(errors: str) -> str:
    """Return an error without the advice below it (client 2.2.5 and later). Older clients print a traceback."""
    error, _, last = errors.strip().rpartition("\n\n")
    return errors if "Traceback" in errors else error or last


def _last_line(text: str) -> str:
    """Return the last line that is not blank, without credentials, and without the exception's name of a traceback."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return _without_secrets(re.sub(r"^requests\.exceptions\.\w+: ", "", lines[-1] if lines else ""))


def _without_secrets(line: str) -> str:
    """Return a line cut to 200 characters, with `***` in place of anything that may be a credential."""
    line = re.sub(r"(?i)\b(basic|bearer)\s+\S+", r"\1 ***", line)
    line = re.sub(r"(?<=\?)\S+|\bKGAT_\w+", "***", line)  # the signature in a URL, and a token
    for name in ("KAGGLE_KEY", "KAGGLE_API_TOKEN"):
        if os.environ.get(name):
            line = re.sub(rf"\b{re.escape(os.environ[name])}\b", "***", line)
    return line if len(line) <= 200 else line[:200] + "..."
