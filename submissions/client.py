"""Kaggle's own client, run as it is. Its exit status and its words are hints; the listing alone is proof."""

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

ANSWER_SECONDS = 60  # the client itself waits for ever
LIMIT_SECONDS = {"download": None, "submit": 900}  # of the rest; it tries ten times to send a file, ever more slowly
PAGE_ROWS = 200  # the most that Kaggle lists at once
UPLOAD_FAILED = "Could not submit to competition"  # before 2.2.5 printed with exit status 0
NOT_TAKEN = "Kaggle's storage did not take the file; try again later"


class KaggleError(Exception):
    """One sentence: what went wrong, and what to do. `unclear` where Kaggle may have done what was asked."""

    def __init__(self, sentence: str, unclear: bool = False) -> None:
        super().__init__(sentence)
        self.unclear = unclear


@dataclass(frozen=True)
class Listed:
    """A submission that Kaggle holds."""

    ref: str
    file: str  # its name
    status: str  # pending, complete or error
    public: str  # score, empty until known
    private: str


@dataclass(frozen=True)
class Limits:
    """Submissions of the user's team."""

    today: int
    ever: int
    left: int  # today
    capped: bool  # fewer are left today because the competition allows so many in all

    @property
    def spent(self) -> bool:
        """Whether Kaggle would refuse one more; all zeros are those of a user who is on no team yet."""
        return self.left == 0 and self.ever > 0


def listing(competition: str) -> list[Listed]:
    """Return the newest PAGE_ROWS submissions that Kaggle holds of this user's team, newest first.

    The client knows no way to older ones, which is no loss: whatever was sent from here is looked for soon.
    """
    fields = "json(ref,fileName,status,publicScore,privateScore)"
    said = _run(competition, "submissions", "--page-size", str(PAGE_ROWS), "--format", fields)
    return [_listed(row) for row in _parsed(said)]


def _listed(row: dict) -> Listed:
    status = str(row["status"]).rpartition(".")[2].lower()  # SubmissionStatus.COMPLETE
    public, private = (str(row[name] or "") if status == "complete" else "" for name in ("publicScore", "privateScore"))
    return Listed(str(row["ref"]), str(row["fileName"]), status, public, private)


def error_of(competition: str, ref: str) -> str | None:
    """Return Kaggle's reason for which it could not score a submission, if it gives one to this client.

    Raises:
        KaggleError: Kaggle cannot be asked, or the client is too old to ask.
    """
    shown = _run(competition, "submission", ref)
    reason = re.search(r"^Error\s*:?\s+(.+?)\s*^Public Score", shown, re.MULTILINE | re.DOTALL)
    return _without_secrets(" ".join(reason[1].split())) if reason else None


def limits(competition: str) -> Limits:
    """Return how many submissions were made and are left."""
    found = _parsed(_run(competition, "submission-limits", "--json"))  # zeros are left out
    today, total, left = (found.get(name, 0) for name in ("numToday", "numTotal", "numAllowedNow"))
    return Limits(today, total, left, capped=found.get("limitedByTotal", False))


def leaderboard(competition: str) -> list[float]:
    """Return the scores of the best PAGE_ROWS teams on the public leaderboard."""
    rows = _parsed(_run(competition, "leaderboard", "--show", "--page-size", str(PAGE_ROWS), "--format", "json(score)"))
    return [float(row["score"]) for row in rows if row["score"]]


def file_names(competition: str) -> list[str]:
    """Return the names of the competition's first PAGE_ROWS files."""
    rows = _parsed(_run(competition, "files", "--page-size", str(PAGE_ROWS), "--format", "json(name)"))
    return [row["name"] for row in rows]


def download(competition: str, folder: Path) -> None:
    """Save the archive of the competition's files in `folder`, going on with what an earlier call left there."""
    progress = sys.stderr.isatty()
    _run(competition, "download", "--path", str(folder), *([] if progress else ["-q"]), progress=progress)


def submit(competition: str, path: Path, message: str) -> int | None:
    """Send a file and return how many are left today, if the client says so.

    That nothing is raised does not say that Kaggle holds the file.
    """
    said = _run(competition, "submit", "-f", str(path), f"--message={message}")
    if UPLOAD_FAILED in said:
        raise KaggleError(NOT_TAKEN)
    left = re.search(r"^(\d+) submissions remaining today", said, re.MULTILINE)
    return int(left[1]) if left else None


def is_running(name: str) -> bool:
    """Say whether some process, left over from a killed command, still works on a file of that name, as `name`.csv."""
    for process in psutil.process_iter(["cmdline"]):
        if process.pid != os.getpid() and any(Path(word).stem == name for word in process.info["cmdline"] or ()):
            return True
    return False


def _run(competition: str, verb: str, *options: str, progress: bool = False) -> str:
    """Return what the client printed.

    Raises:
        KaggleError: it failed in a way that can be seen, did not end in time, or is not installed.
    """
    named = [] if verb == "submission" else ["-c", competition]  # that one has a number of its own
    command = [_binary(), "-W", "competitions", verb, *named, *options]
    limit_seconds = LIMIT_SECONDS.get(verb, ANSWER_SECONDS)
    try:
        done = _watched(command) if progress else _captured(command, limit_seconds)
    except subprocess.TimeoutExpired:
        late = f"Kaggle did not answer within {limit_seconds:g} s; try again later"
        raise KaggleError(late, unclear=True) from None
    if done.returncode < 0 or done.stdout.startswith("User cancelled operation"):  # Ctrl-C ends it with status 0
        raise KaggleError("the kaggle client was interrupted", unclear=True)
    if done.returncode:
        raise _failure(competition, done.stdout, done.stderr)
    return done.stdout


def _captured(command: list[str], limit_seconds: float | None) -> subprocess.CompletedProcess:
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


def _watched(command: list[str]) -> subprocess.CompletedProcess:
    """Run the client with its progress bar, and nothing else that it prints, on the terminal."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe) as process:
        try:
            heard = b""
            while part := process.stderr.read1():
                heard += part
                if part.startswith(b"\r"):
                    sys.stderr.write(part.decode(errors="replace"))
                    sys.stderr.flush()
            said = process.stdout.read()
        except BaseException:
            process.kill()
            raise
    sys.stderr.write("\n")
    return subprocess.CompletedProcess(
        command, process.returncode, *(t.decode(errors="replace") for t in (said, heard))
    )


def _binary() -> str:
    """Return the client of this environment, or the one on the PATH."""
    beside = shutil.which("kaggle", path=Path(sys.executable).parent)
    found = beside or shutil.which("kaggle")
    if found is None:
        raise KaggleError("no command kaggle; install it with `pip install kaggle`")
    return found


def _parsed(said: str) -> Any:
    """Return the JSON that the client printed, below notes of its own; an empty table it puts in words."""
    if re.search(r"^No (submissions|results|files) found$", said, re.MULTILINE):
        return []
    start = re.search(r"^[\[{]", said, re.MULTILINE)
    try:
        return json.JSONDecoder().raw_decode(said, start.start() if start else 0)[0]
    except ValueError:
        raise KaggleError(f"the kaggle client printed {_last_line(said)!r}, expected JSON") from None


# The client passes on the server's words without the status code, so it is the words that tell.
_STRANGER = r"\b401\b|unauthenticated|unauthorized"  # of a token; where there is none the client prints its help
_NETWORK = (
    r"max retries exceeded|connection (aborted|broken|refused|reset)|network is|name resolution|timed out"
    r"|incompleteread|does not match expected size"
)
_BUSY = r"\b429\b|too many requests|rate limit"
_BROKEN = r"\b5\d\d\b|server error|internal error|unavailable"
_FORBIDDEN = r"\b403\b|forbidden|permission|rules|denied|not authori[sz]ed"
_UNKNOWN = r"\b404\b|not found|does not exist|no such"


def _failure(competition: str, said: str, heard: str) -> KaggleError:
    """Return the sentence for a client that ended with an error."""
    page = f"https://www.kaggle.com/competitions/{competition}"
    words = _last_line(_without_hint(heard)) or _last_line(said)
    if "Authentication required to call the Kaggle API" in said or re.search(_STRANGER, words, re.IGNORECASE):
        return KaggleError(
            "Kaggle knows no such user: there are no credentials, or it refused them; run `kaggle auth login`, "
            "or save a token of https://www.kaggle.com/settings/api in ~/.kaggle/access_token"
        )
    quoted = f"Kaggle says {words!r}"
    for pattern, sentence, unclear in (
        (UPLOAD_FAILED, NOT_TAKEN, False),
        (_NETWORK, "Kaggle cannot be reached, or the connection broke; look at the network and try again", True),
        (_BUSY, f"{quoted}: too many requests; wait a minute and try again", False),
        (_FORBIDDEN, f"{quoted}: accept the rules at {page}/rules, logged in as the same user", False),
        (_UNKNOWN, f"{quoted}: is there a competition at {page}? Its name is tasks.TASK.competition", False),
        (_BROKEN, f"{quoted}: an error of its own; try again later", True),
    ):
        if re.search(pattern, words, re.IGNORECASE):
            return KaggleError(sentence, unclear)
    return KaggleError(quoted if words else "the kaggle client failed without a word", unclear=not words)


def _without_hint(heard: str) -> str:
    """Return an error without the advice that the client gives below it from 2.2.5 on; before, it showed tracebacks."""
    error, _, last = heard.strip().rpartition("\n\n")
    return heard if "Traceback" in heard else error or last


def _last_line(text: str) -> str:
    """Return the last line that says something, see `_without_secrets`."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return _without_secrets(re.sub(r"^requests\.exceptions\.\w+: ", "", lines[-1] if lines else ""))  # of a traceback


def _without_secrets(line: str) -> str:
    """Return a line shortened and without anything that may be a credential."""
    line = re.sub(r"(?i)\b(basic|bearer)\s+\S+", r"\1 ***", line)
    line = re.sub(r"(?<=\?)\S+|\bKGAT_\w+", "***", line)  # the signature of an address, a token
    for name in ("KAGGLE_KEY", "KAGGLE_API_TOKEN"):
        if os.environ.get(name):
            line = re.sub(rf"\b{re.escape(os.environ[name])}\b", "***", line)
    return line if len(line) <= 200 else line[:200] + "..."
