"""Starts the real binary (`tollgate demo`: gateway and OCI simulator) once for all tests of this folder.

TOLLGATE_BIN names the binary; without it one is built from the checkout.
"""

import json
import os
import pathlib
import queue
import re
import subprocess
import sys
import threading
import urllib.request
from dataclasses import dataclass

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]

# Nothing of the machine's own set-up may reach the clients under test.
for name in [
    n for n in os.environ if n.startswith(("OPENAI_", "LITELLM_", "LOCUS_", "LANGCHAIN_", "LANGSMITH_", "OCI_"))
]:
    del os.environ[name]
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
os.environ["LANGSMITH_TRACING"] = "false"


@dataclass(frozen=True)
class Gateway:
    """A running demo: where it is, its master key, and the simulator behind it."""

    url: str
    key: str
    simulator: str

    def control(self, method, path, body=None):
        """Call the simulator's control API."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.simulator + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as reply:
            text = reply.read()
        return json.loads(text) if text else None


class Faults:
    """Rules that make the simulator misbehave."""

    def __init__(self, gateway):
        self._gateway = gateway

    def add(self, **rule):
        return self._gateway.control("POST", "/_sim/faults", rule)["id"]

    def fired(self, rule):
        """How often the rule acted, and how many calls it saw."""
        for r in self._gateway.control("GET", "/_sim/faults")["rules"]:
            if r["id"] == rule:
                return r["fired"], r["seen"]
        raise KeyError(rule)


@pytest.fixture(scope="session")
def binary(tmp_path_factory):
    given = os.environ.get("TOLLGATE_BIN")
    if given:
        return str(pathlib.Path(given).resolve())
    built = tmp_path_factory.mktemp("bin") / "tollgate"
    subprocess.run(
        ["go", "build", "-trimpath", "-o", built, "./cmd/tollgate"],
        cwd=REPOSITORY,
        env={**os.environ, "CGO_ENABLED": "0"},
        check=True,
    )
    return str(built)


@pytest.fixture(scope="session")
def gateway(binary, tmp_path_factory):
    """The demo on a free port. Its log stands in the file that a failure names."""
    folder = tmp_path_factory.mktemp("demo")
    log = folder / "stderr.log"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [binary, "demo", "--port", "0", "--data-dir", str(folder / "data")],
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            text=True,
        )
        try:
            url, key = announced(process, log)
            yield Gateway(url, key, simulator_of(url, key))
        finally:
            process.terminate()
            code = process.wait(timeout=30)
    assert code == 0, f"the demo ended with {code}: {log.read_text()[-2000:]}"


def announced(process, log):
    """Read the demo's text until it has said its key and its address."""
    lines = queue.Queue()
    threading.Thread(
        target=lambda: [lines.put(line) for line in process.stdout] + [lines.put(None)], daemon=True
    ).start()
    text = ""
    while True:
        line = lines.get(timeout=60)
        if line is None:
            sys.exit(f"the demo did not start:\n{text}\n{log.read_text()}")
        text += line
        key = re.search(r"\bsk-\S+", text)
        url = re.search(r"http://127\.0\.0\.1:\d+", text)
        if key and url:
            return url.group(), key.group()


def simulator_of(url, key):
    """A reply's header names the upstream's base address."""
    body = {"model": "oci-cohere-command", "messages": [{"role": "user", "content": "ping"}]}
    request = urllib.request.Request(
        url + "/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Authorization": "Bearer " + key, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        return reply.headers["x-litellm-model-api-base"].rstrip("/")


@pytest.fixture
def faults(gateway):
    yield Faults(gateway)
    gateway.control("DELETE", "/_sim/faults")
