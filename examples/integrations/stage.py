"""What every demonstration stands on: the simulator of OCI Generative AI, gateways in front of it, processes that end with it.

A demonstration is a program that says what it does, makes claims of what it sees, and ends with status 1 at the first claim
that is not so. Everything listens on 127.0.0.1, on free ports, and keeps its files in one temporary folder.
"""

import contextlib
import http.client
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MODEL = "oci-cohere-command"


class NotSo(Exception):
    """A claim that does not hold, or a program that did not do what the demonstration needs."""


def say(text: str) -> None:
    """Tell the person who watches what comes next."""
    print(f"\n{text}", flush=True)


def claim(holds, text: str, seen=None) -> None:
    """Print a claim that holds, with what was seen. One that does not hold ends the demonstration."""
    shown = "" if seen is None else f"  [{seen}]"
    if not holds:
        raise NotSo(f"not so: {text}{shown}")
    print(f"  ok  {text}{shown}", flush=True)


def eventually(probe, text: str, seconds: float = 30):
    """Wait until probe() returns something that is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        if time.monotonic() > deadline:
            raise NotSo(f"not so within {seconds:g} seconds: {text}")
        time.sleep(0.05)
    return found


def claim_soon(probe, text: str, seen=None, seconds: float = 30):
    """Make a claim that may take its time to come true; return what probe() returned then."""
    found = eventually(probe, text, seconds)
    claim(True, text, seen)
    return found


def free_port() -> int:
    """A port that nothing listens on, outside of those that the system gives to outgoing connections."""
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


def built() -> Path:
    """The program, built from the repository."""
    made = subprocess.run(["make", "--no-print-directory", "build"], cwd=ROOT, capture_output=True, text=True)
    if made.returncode:
        raise NotSo(f"make build failed:\n{made.stderr}")
    return ROOT / "build/tollgate"


class Reply:
    """What an HTTP server answered: status, headers by their names in lower case, body, and for a stream its events."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def events(self) -> list:
        """The events of a stream, without the closing [DONE]."""
        data = [line[6:] for line in self.body.decode().split("\n") if line.startswith("data: ")]
        return [json.loads(line) for line in data if line != "[DONE]"]

    @property
    def text(self) -> str:
        """The answer of a chat, put together where it was streamed."""
        if self.status != 200:
            raise NotSo(f"the call was answered with {self.status}: {self.body.decode()[:500]}")
        if "text/event-stream" not in self.headers.get("content-type", ""):
            return self.json["choices"][0]["message"]["content"]
        return "".join(c["delta"].get("content") or "" for e in self.events for c in e.get("choices", []))

    @property
    def hit(self) -> bool:
        """Whether the answer came from a cache: only then the header is there."""
        return "x-litellm-cache-key" in self.headers

    @property
    def cost(self) -> float:
        """What the call cost, in dollars."""
        return float(self.headers["x-litellm-response-cost"])

    @property
    def error(self) -> str:
        """The message of a refusal, of a stream that was broken off too."""
        for event in self.events if "text/event-stream" in self.headers.get("content-type", "") else [self.json]:
            if "error" in event:
                return event["error"]["message"]
        return ""


def ask(url: str, method: str = "GET", body=None, headers=None, timeout: float = 30) -> Reply:
    """Make one HTTP call. body is sent as JSON unless it is bytes."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    headers = dict(headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    try:
        connection.request(method, parts.path + ("?" + parts.query if parts.query else ""), body, headers)
        reply = connection.getresponse()
        return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
    except (OSError, http.client.HTTPException) as error:
        raise NotSo(f"{method} {url}: {error}") from error
    finally:
        connection.close()


class Process:
    """A program that the demonstration has started."""

    def __init__(self, name: str, arguments: list, environment: dict, log: Path, **who) -> None:
        self.name, self.log, self.ending = name, log, signal.SIGTERM
        self._arguments, self._options = [str(a) for a in arguments], {"env": environment, "stdin": subprocess.DEVNULL} | who
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(self._arguments, stdout=out, stderr=out, **self._options)

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, ready, seconds: float = 60):
        """Wait until ready() is true. A program that ends before, or takes too long, is shown with what it said."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(NotSo):
                if found := ready():
                    return found
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise NotSo(f"{self.name} did not start:\n{self.said()[-3000:]}")
            time.sleep(0.05)

    def tell(self, how=None) -> None:
        """Tell the program to end, by its own signal where none is given."""
        if self._process.poll() is None:
            self._process.send_signal(how or self.ending)

    def end(self, how=None) -> int:
        """End the program and return its status. One that takes longer than five seconds is killed."""
        self.tell(how)
        if self._process.poll() is None:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()


class Simulator:
    """A simulator of OCI Generative AI, as `tollgate sim` runs it, and its own account of what it was asked."""

    def __init__(self, stage: "Stage") -> None:
        arguments = [stage.binary, "sim", "--port", "0", "--dir", stage.folder / "oci"]
        self.process = stage.run("the simulator", arguments)
        said = self.process.wait_for(lambda: "export OCI_ENDPOINT" in self.process.said() and self.process.said())
        lines = [line[7:].split("=", 1) for line in said.splitlines() if line.startswith("export ")]
        self.environment = dict(lines)
        self.url = self.environment["OCI_ENDPOINT"]

    def requests(self, op: str = "") -> list[dict]:
        """The newest 100 requests, or those of one kind: chat, embed, guardrails."""
        found = ask(self.url + "/_sim/requests").json["requests"]
        return [r for r in found if op in ("", r["op"])]

    def forget(self) -> None:
        """Begin to count anew."""
        ask(self.url + "/_sim/requests", "DELETE")

    def fault(self, **rule) -> None:
        """Misbehave as the rule says, from now on."""
        ask(self.url + "/_sim/faults", "POST", rule)

    def mend(self) -> None:
        """Misbehave no more."""
        ask(self.url + "/_sim/faults", "DELETE")


class Gateway:
    """A gateway that the demonstration has started, asked with its master key unless another is given."""

    def __init__(self, stage: "Stage", config: Path, name: str, environment: dict) -> None:
        self.key = stage.master_key
        self.data = stage.folder / name
        self.data.mkdir(exist_ok=True)
        arguments = [stage.binary, "serve", "--config", config, "--data-dir", self.data, "--port", "0"]
        self.process = stage.run(name, arguments, environment)
        self._find()
        warned = [line for line in self.process.said().splitlines() if "level=WARN" in line and "configuration:" in line]
        if warned:
            raise NotSo("the gateway has something against the configuration:\n" + "\n".join(warned))

    def _find(self, after: int = 0) -> None:
        def address():
            lines = [line for line in self.process.said()[after:].splitlines() if "msg=serving" in line]
            return lines and lines[0].split("address=")[1].split()[0]

        self.url = self.process.wait_for(address)

    def restart(self, how=signal.SIGTERM) -> None:
        """End the gateway and start it again with the same files."""
        after = len(self.process.said())
        self.process.end(how)
        self.process.start()
        self._find(after)

    def call(self, method: str, path: str, body=None, key: str | None = None, headers=None) -> Reply:
        headers = {"Authorization": f"Bearer {key or self.key}"} | dict(headers or {})
        return ask(self.url + path, method, body, headers)

    def chat(self, text: str, key: str | None = None, headers=None, **fields) -> Reply:
        """Ask a model one question; fields are further members of the request."""
        body = {"model": MODEL, "messages": [{"role": "user", "content": text}]} | fields
        return self.call("POST", "/v1/chat/completions", body, key, headers)

    def embed(self, texts: list[str], key: str | None = None) -> Reply:
        return self.call("POST", "/v1/embeddings", {"model": "oci-cohere-embed", "input": texts}, key)

    def make_key(self, **fields) -> str:
        """Make a virtual key, which ends with the demonstration."""
        return self.call("POST", "/key/generate", fields).json["key"]


class Stage:
    """A temporary folder, and all that was started in it. Use it with `with`: at the end everything ends."""

    def __init__(self) -> None:
        self.binary = os.environ.get("TOLLGATE_BIN") or built()
        self.master_key = "sk-" + secrets.token_hex(16)
        self.folder = Path(tempfile.mkdtemp(prefix="tollgate-demo-"))
        self.litter: list[Path] = []  # files outside of the folder, which go with it
        self._processes: list[Process] = []
        self._simulator: Simulator | None = None

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, kind, *_) -> None:
        for process in reversed(self._processes):
            process.tell()
        for process in reversed(self._processes):
            process.end()
        if kind is NotSo:
            for process in self._processes:
                print(f"\n--- the last that {process.name} said", *process.said().splitlines()[-12:], sep="\n")
        shutil.rmtree(self.folder, ignore_errors=True)
        for file in self.litter:
            file.unlink(missing_ok=True)

    @property
    def simulator(self) -> Simulator:
        if self._simulator is None:
            self._simulator = Simulator(self)
        return self._simulator

    def environment(self, more=None) -> dict[str, str]:
        """What a gateway's configuration reads: the credential of the simulator, the master key, and more."""
        plain = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return plain | self.simulator.environment | {"LITELLM_MASTER_KEY": self.master_key} | {k: str(v) for k, v in (more or {}).items()}

    def run(self, name: str, arguments: list, environment: dict | None = None, **who) -> Process:
        """Start a program that ends with the stage, as another user where one is given. Its output goes to a file of the folder."""
        log = self.folder / f"{len(self._processes)}-{name.replace(' ', '-')}.log"
        process = Process(name, arguments, os.environ.copy() if environment is None else environment, log, **who)
        self._processes.append(process)
        return process

    def gateway(self, config: Path, name: str = "gateway", **environment) -> Gateway:
        """Start a gateway with a configuration, and with environment variables that the configuration reads."""
        return Gateway(self, config, name, self.environment(environment))

    def tollgate(self, *arguments, **environment) -> subprocess.CompletedProcess:
        """Run a command of the program and return what it said."""
        return subprocess.run([self.binary, *arguments], env=self.environment(environment), capture_output=True, text=True, timeout=60)


def play(demonstrate, title: str) -> None:
    """Run a demonstration on a stage, and end with the status that says whether all its claims hold."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(title)
    try:
        with Stage() as stage:
            demonstrate(stage)
    except NotSo as wrong:
        print(f"\n  {wrong}", flush=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    print("\nAll of it is so.")
