"""A local server that imitates Kaggle for the unmodified client, with failures that a test chooses.

The client sends its requests to http://localhost. `http_proxy` redirects them to this server, in absolute form.
"""

import base64
import io
import json
import threading
import time
import zipfile
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

COMPETITION = "clothes-2026"
USER, KEY = "somebody", "c0ffee-very-secret-key"
TOKEN = "KGAT_0123456789abcdef"
SIGNATURE = "5167ed-for-an-hour"  # in URLs of the storage, which need no other credentials
BASIC = base64.b64encode(f"{USER}:{KEY}".encode()).decode()
SECRETS = (KEY, TOKEN, SIGNATURE, BASIC)
RULES = "You must accept this competition's rules before you'll be able to do this."
MODIFIED = "Fri, 02 Jan 2026 03:04:05 GMT"


@dataclass(frozen=True)
class Failure:
    """The failure of a request."""

    status: int = 0  # 0: the connection is cut without an answer
    message: str = "no"
    carried_out: bool = False  # the server carries out the request before it cuts the connection
    after_bytes: int | None = None  # where a download is cut


@dataclass
class Submission:
    """A submission that the server received."""

    ref: int
    name: str
    data: bytes
    description: str
    polls: int  # number of listings until it is scored


@dataclass
class Kaggle:
    """State of the server. Each request of an operation uses up one of its `failures`."""

    files: dict[str, bytes] = field(default_factory=dict)
    archive: tuple[str, bytes] | None = None  # extension and bytes; by default a zip of the files
    submissions: list[Submission] = field(default_factory=list)
    failures: dict[str, list[Failure]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)  # operations in the order of their requests
    starts: list[int] = field(default_factory=list)  # bytes of the archive that each download already had
    gates: dict[str, threading.Event] = field(default_factory=dict)  # operations that wait for an event
    allowed_a_day: int = 5
    allowed_in_all: int = 1000
    pending_polls: int = 0
    unscorable: bool = False
    reason: str = ""  # why it could not be scored
    hidden: bool = False  # the listing shows nothing
    leaderboard: tuple[str, ...] = ("0.99", "0.5", "0.25")
    uploads: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    port: int = 0

    def StartSubmissionUpload(self, request):
        token = f"T{len(self.uploads)}"
        self.uploads[token] = (request["fileName"], b"")
        return {"token": token, "createUrl": f"http://localhost:{self.port}/upload/{token}?signature={SIGNATURE}"}

    def IntrospectToken(self, request):
        return {"active": request["token"] == TOKEN, "username": USER}

    def CreateSubmission(self, request):
        name, data = self.uploads[request["blobFileTokens"]]
        ref = 1000 + len(self.submissions)
        description = request.get("submissionDescription", "")
        self.submissions.append(Submission(ref, name, data, description, self.pending_polls))
        return {"message": f"Successfully submitted to {COMPETITION}", "ref": ref}

    def GetSubmissionLimits(self, request):
        count = len(self.submissions)
        left = max(0, min(self.allowed_a_day, self.allowed_in_all) - count)
        limited_by_total = self.allowed_in_all < self.allowed_a_day
        return {"numToday": count, "numTotal": count, "numAllowedNow": left, "limitedByTotal": limited_by_total}

    def ListSubmissions(self, request):
        newest_first = [] if self.hidden else self.submissions[::-1]
        return {
            "submissions": [self._listing_row(submission) for submission in newest_first[: request.get("pageSize", 20)]]
        }

    def _listing_row(self, submission):
        row = {
            "ref": submission.ref,
            "fileName": submission.name,
            "date": "2026-01-02T03:04:05.123Z",
            "description": submission.description,
            "status": "PENDING" if submission.polls else "ERROR" if self.unscorable else "COMPLETE",
        }
        if row["status"] == "COMPLETE":
            row |= {"publicScore": "0.75", "privateScore": ""}
        submission.polls = max(0, submission.polls - 1)
        return row

    def GetSubmission(self, request):
        submission = next(submission for submission in self.submissions if submission.ref == request["ref"])
        return self._listing_row(submission) | ({"errorDescription": self.reason} if self.reason else {})

    def GetLeaderboard(self, request):
        date = "2026-01-02T03:04:05.123Z"
        return {
            "nextPageToken": "CfDJ8",
            "submissions": [
                {"teamId": number, "teamName": f"team {number}", "submissionDate": date, "score": score}
                for number, score in enumerate(self.leaderboard)
            ],
        }

    def ListDataFiles(self, request):
        date = "2026-01-02T03:04:05.123Z"
        return {"files": [{"name": n, "totalBytes": len(d), "creationDate": date} for n, d in self.files.items()]}

    def download(self) -> tuple[str, bytes]:
        """Return the extension and the bytes of the archive."""
        if self.archive is not None:
            return self.archive
        return "zip", zip_bytes(self.files)


def zip_bytes(files: dict[str, bytes]) -> bytes:
    """Return a zip of files. The same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kaggle: Kaggle

    def do_POST(self):
        operation = urlsplit(self.path).path.rpartition("/")[2]
        request = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        failure = self._start(operation)
        if self.headers.get("Authorization") not in (f"Basic {BASIC}", f"Bearer {TOKEN}"):
            return self._json(401, {"code": 401, "message": "Unauthenticated"})
        if failure is not None and not failure.carried_out:
            return self._fail(failure)
        if request.get("competitionName", COMPETITION) != COMPETITION:
            return self._json(404, {"code": 404, "message": "Competition not found"})
        if operation.startswith("DownloadDataFile"):
            archive = f"archive.{self.kaggle.download()[0]}?signature={SIGNATURE}"
            return self._redirect(f"http://localhost:{self.kaggle.port}/files/{archive}")
        answer = getattr(self.kaggle, operation)(request)
        return self._cut() if failure is not None else self._json(200, answer)

    def do_PUT(self):
        failure = self._start("PUT")
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if failure is not None:
            return self._fail(failure)
        token = urlsplit(self.path).path.rpartition("/")[2]
        self.kaggle.uploads[token] = (self.kaggle.uploads[token][0], data)
        return self._json(200, {})

    def do_GET(self):
        failure, (_, data) = self._start("GET"), self.kaggle.download()
        if failure is not None and failure.after_bytes is None:
            return self._fail(failure)
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        self.kaggle.starts.append(start)
        self.send_response(206 if start else 200)
        for name, value in (
            ("Content-Length", len(data) - start),
            ("Accept-Ranges", "bytes"),
            ("Last-Modified", MODIFIED),
            ("Content-Type", "application/octet-stream"),
        ):
            self.send_header(name, str(value))
        self.end_headers()
        if failure is None:
            self.wfile.write(data[start:])
        else:
            self.wfile.write(data[start : start + failure.after_bytes])
            self._wait("the rest")
            self._cut()

    def _start(self, operation):
        self.kaggle.log.append(operation)
        self._wait(operation)
        waiting = self.kaggle.failures.get(operation)
        return waiting.pop(0) if waiting else None

    def _wait(self, operation):
        if operation in self.kaggle.gates:
            self.kaggle.gates[operation].wait(60)

    def _fail(self, failure):
        if failure.status == 0:
            self._cut()
        elif self.command != "POST":  # the storage's answer is XML, which the client does not read
            self.send_response(failure.status)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._json(failure.status, {"code": failure.status, "message": failure.message})

    def _cut(self):
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(2)

    def _json(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _redirect(self, url):
        self.send_response(302)
        self.send_header("Location", url)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass

    def handle(self):
        with suppress(OSError):  # a client that was killed
            super().handle()


def add_submission(kaggle: Kaggle, name: str) -> None:
    """Add an empty submission of that name to the server."""
    kaggle.uploads["T"] = (name, b"")
    kaggle.CreateSubmission({"blobFileTokens": "T"})


def serve() -> tuple[Kaggle, ThreadingHTTPServer]:
    """Start a server on a free port of this machine. The caller must shut it down."""
    kaggle = Kaggle()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"kaggle": kaggle}))
    server.daemon_threads = True
    kaggle.port = server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return kaggle, server


def environment(port: int, home: str) -> dict[str, str | None]:
    """Return the environment variables that lead the client to the server. None means: remove the variable."""
    return {
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
        "http_proxy": f"http://127.0.0.1:{port}",
        "KAGGLE_USERNAME": USER,
        "KAGGLE_KEY": KEY,
        "HOME": home,
        **dict.fromkeys(("no_proxy", "NO_PROXY", "KAGGLE_API_TOKEN", "KAGGLE_CONFIG_DIR", "XDG_CONFIG_HOME")),
    }


def secrets_in(data: bytes) -> list[str]:
    """Return the credentials that occur in an output or a file."""
    return [secret for secret in SECRETS if secret.encode() in data]


def until(condition, seconds: float = 60) -> None:
    """Wait until the condition is true, or fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.02)
