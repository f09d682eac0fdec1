"""A cloud on this machine: hosts by type, and an API over HTTP by which Ray's autoscaler asks for them."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from tests.cluster.host import Host, Network

TYPE_TAG, KIND_TAG = "ray-user-node-type", "ray-node-type"
"""Ray's tags of an instance: the type of its node, and whether it is the head."""
HEAD = "head"


@dataclass
class Instance:
    """A host that was launched."""

    id: str
    host: Host
    tags: dict[str, str]
    """What Ray has noted about it."""
    launched_s: float = field(default_factory=time.monotonic)

    @property
    def type(self) -> str:
        """The name of its node type in cluster.yaml."""
        return self.tags[TYPE_TAG]


class Cloud:
    """Launches and ends hosts. `begin` is called with each new instance, and starts Ray on it.

    The kernel ends a host with the thread that launched it, so one thread launches all of them.
    """

    def __init__(
        self, network: Network, folder: Path, models: Path, begin: Callable[[Instance], None]
    ) -> None:
        self._network = network
        self._folder = folder
        self._models = models
        self._begin = begin
        self._instances: dict[str, Instance] = {}
        self._launched = 0
        self._asked: SimpleQueue[tuple[dict[str, str], Future[Instance]]] = SimpleQueue()
        threading.Thread(target=self._launch_all, daemon=True).start()

    def launch(self, tags: dict[str, str]) -> Instance:
        """A new host with Ray's tags, on which Ray starts."""
        launched: Future[Instance] = Future()
        self._asked.put((tags, launched))
        return launched.result(timeout=60)

    def _launch_all(self) -> None:
        while True:
            tags, launched = self._asked.get()
            try:
                launched.set_result(self._new(tags))
            except Exception as error:
                launched.set_exception(error)

    def _new(self, tags: dict[str, str]) -> Instance:
        self._launched += 1
        name = f"host{self._launched}"
        host = Host(self._network, self._launched, self._folder / name, self._models)
        instance = self._instances[name] = Instance(name, host, tags)
        self._begin(instance)
        return instance

    def end(self, id: str) -> None:
        """Ends a host at once, with all that runs on it."""
        if instance := self._instances.pop(id, None):
            instance.host.kill()

    def end_all(self) -> None:
        """Ends all hosts."""
        for id in list(self._instances):
            self.end(id)

    def instances(self, type: str | None = None) -> list[Instance]:
        """The running instances, oldest first, of one type or all."""
        return [one for one in list(self._instances.values()) if type in (None, one.type)]

    def counts(self) -> Counter[str]:
        """How many instances of each type run."""
        return Counter(one.type for one in self.instances())

    def described(self) -> dict[str, dict[str, Any]]:
        """Each instance's address and tags by its id."""
        return {one.id: {"address": one.host.address, "tags": one.tags} for one in self.instances()}


@contextmanager
def served(cloud: Cloud, address: str) -> Iterator[str]:
    """Serves the cloud's API on an address; gives its URL.

    `POST /launch` takes `{"tags": {...}, "count": n}`, `POST /end` `{"id": "..."}`; both answer as `GET /`
    does, with all instances.
    """

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path == "/launch":
                for _ in range(body["count"]):
                    cloud.launch(body["tags"])
            elif self.path == "/end":
                cloud.end(body["id"])
            self._answer()

        def _answer(self) -> None:
            body = json.dumps(cloud.described()).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer((address, 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{address}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
