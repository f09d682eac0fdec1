"""A fake model hub on a local port, run as a process: `model_hub.py FOLDER`. It prints its port.

It serves FOLDER/files/{repository}/{revision}/{file} at the URLs of the hub's client. FOLDER/requests
gets a line for each request. As the client's proxy, it logs and refuses requests for other hosts too.
FOLDER/cut has a number of bytes after which the next body breaks off.
"""

from __future__ import annotations

import hashlib
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = Path(sys.argv[1])
FILE = re.compile(r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>[^/]+)")


class Hub(BaseHTTPRequestHandler):
    """Answers HEAD and GET of a file, or of the rest of a file."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Prints nothing; `_note` writes the log."""

    def _note(self) -> None:
        asked = f"{self.command} {self.path} {self.headers.get('Range', '')}".rstrip()
        with (FOLDER / "requests").open("a") as requests:
            requests.write(f"{asked}\n")

    def _refuse(self) -> None:
        self._note()
        self.close_connection = True
        self.send_error(404)

    do_CONNECT = do_POST = _refuse  # noqa: N815  named by http.server

    def do_GET(self) -> None:
        match = FILE.fullmatch(self.path)
        path = FOLDER.joinpath("files", *match.groups()) if match else None
        if match is None or path is None or not path.is_file():
            self._refuse()
            return
        self._note()
        content = path.read_bytes()
        first = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(content) - first))
        self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", match["revision"])
        self.end_headers()
        if self.command == "GET":
            self._send(content[first:])

    do_HEAD = do_GET  # noqa: N815

    def _send(self, body: bytes) -> None:
        cut = FOLDER / "cut"
        if cut.exists():
            body = body[: int(cut.read_text())]
            cut.unlink()
            self.close_connection = True
        self.wfile.write(body)


with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
    print(server.server_port, flush=True)
    server.serve_forever()
