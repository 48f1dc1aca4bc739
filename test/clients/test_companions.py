"""The companions of examples/, in Python and in Go, without a gateway's address, without a gateway, and with one.

TOLLGATE_EXAMPLES names the folder of the Go programs, which `run` has built.
"""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(os.environ.get("TOLLGATE_EXAMPLES", REPOSITORY / ".cache/clients/bin"))
COMMANDS = {
    ("agent", "python"): [sys.executable, str(REPOSITORY / "examples/agent/python/agent.py")],
    ("costs", "python"): [sys.executable, str(REPOSITORY / "examples/costs/python/costs.py")],
    ("agent", "go"): [str(PROGRAMS / "agent")],
    ("costs", "go"): [str(PROGRAMS / "costs")],
}
BOTH = pytest.mark.parametrize("language", ["python", "go"])
EACH = pytest.mark.parametrize(("name", "language"), list(COMMANDS))
KEY_NAME = {"agent": "LITELLM_GATEWAY_KEY", "costs": "LITELLM_MASTER_KEY"}
ROW = re.compile(r"^  (team-\w+) +(success|failure) +(\S+) +(\d+) tokens  (\d+\.\d{8}) USD$", re.MULTILINE)


def run(name, language, **environment):
    """Run a companion. It sees nothing of the machine but what is given, above all no cloud credential."""
    return subprocess.run(
        COMMANDS[name, language],
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "NO_PROXY": "127.0.0.1", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def closed_port():
    """A port of the loopback address on which nothing listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return server.server_port


@EACH
def test_without_an_address_it_shows_the_wiring(name, language):
    done = run(name, language)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith({"agent": "Agent companion: ", "costs": "Cost companion: "}[name])
    assert f"Not set: LITELLM_GATEWAY_URL, {KEY_NAME[name]}. Nothing was called. For example:" in lines
    assert done.stderr == ""


@EACH
def test_without_a_key_it_shows_the_wiring(name, language, gateway):
    done = run(name, language, LITELLM_GATEWAY_URL=gateway.url)
    assert done.returncode == 0
    assert f"Not set: {KEY_NAME[name]}. Nothing was called." in done.stdout


@EACH
def test_without_a_gateway_it_says_so_in_a_line(name, language):
    url = f"http://127.0.0.1:{closed_port()}"
    done = run(name, language, LITELLM_GATEWAY_URL=url + "/", **{KEY_NAME[name]: "sk-1234"})
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{name}: no gateway answers at {url}: ")
    assert "sk-1234" not in done.stdout + done.stderr


@EACH
def test_a_key_that_the_gateway_does_not_know(name, language, gateway):
    done = run(name, language, LITELLM_GATEWAY_URL=gateway.url, **{KEY_NAME[name]: "sk-stranger"})
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "answered 401: Authentication Error" in line.replace("401 Unauthorized", "401")


@EACH
def test_an_alias_that_the_gateway_does_not_have(name, language, gateway):
    done = run(
        name, language, LITELLM_GATEWAY_URL=gateway.url, LITELLM_GATEWAY_MODEL="none", **{KEY_NAME[name]: gateway.key}
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{name}: the gateway has no model none")


@BOTH
@pytest.mark.parametrize("alias", [None, "oci-gpt5-mini"])
def test_agent(language, alias, gateway):
    choice = {"LITELLM_GATEWAY_MODEL": alias} if alias else {}
    done = run("agent", language, LITELLM_GATEWAY_URL=gateway.url, LITELLM_GATEWAY_KEY=gateway.key, **choice)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"  LITELLM_GATEWAY_MODEL  {alias or 'oci-cohere-command'}\n" in done.stdout
    blocks = done.stdout.split("\n> ")
    assert "\nmodels: oci-cohere-command, " in blocks[0]
    metrics = r"\n  prompt tokens [1-9]\d*, completion tokens [1-9]\d*"
    assert re.fullmatch(r"What is the capital of Japan\?\nTokyo\." + metrics + "\n", blocks[1])
    assert re.fullmatch(r"What is 7 x 8\?\n56" + metrics + "\n", blocks[2])
    weather = r"What is the weather in Tokyo\?\n.*17 degrees in Tokyo\..*" + metrics + ", tool calls 1\n"
    assert re.fullmatch(weather, blocks[3])
    assert re.fullmatch(r"What is the capital of Norway\? \(streamed\)\nOslo\.\n  chunks 2\n", blocks[4])


@BOTH
def test_agent_with_a_model_that_is_away(language, gateway, faults):
    faults.add(model="meta.llama-4*", status=400, message="the model is being moved")
    done = run(
        "agent",
        language,
        LITELLM_GATEWAY_URL=gateway.url,
        LITELLM_GATEWAY_KEY=gateway.key,
        LITELLM_GATEWAY_MODEL="oci-llama-4-maverick",
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("agent: the gateway refused the prompt: ")
    assert "the model is being moved" in line


@BOTH
def test_costs(language, gateway):
    done = run("costs", language, LITELLM_GATEWAY_URL=gateway.url, LITELLM_MASTER_KEY=gateway.key)
    assert (done.returncode, done.stderr) == (0, "")
    alpha = re.search(r"^  team-alpha  sk-\.\.\.\S{4}  oci-cohere-command$", done.stdout, re.MULTILINE)
    beta = re.search(
        r"^  team-beta   sk-\.\.\.\S{4}  oci-cohere-command, oci-llama-4-maverick$", done.stdout, re.MULTILINE
    )
    assert alpha and beta
    assert done.stdout.count("team-alpha > oci-cohere-command: ") == 3
    assert done.stdout.count("team-beta > oci-") == 2
    refusal = (
        "team-alpha > oci-llama-4-maverick: may I?\n"
        "  refused with 403: key not allowed to access model. "
        "This key can only access models=['oci-cohere-command']. Tried to access oci-llama-4-maverick\n"
    )
    assert refusal in done.stdout
    assert re.search(r"^the ledger has all 6 calls after \d+\.\d s$", done.stdout, re.MULTILINE)

    cohere, llama = "oci/cohere.command-latest", "oci/meta.llama-4-maverick-17b-128e-instruct-fp8"
    rows = [(team, status, model) for team, status, model, _, _ in ROW.findall(done.stdout)]
    assert rows == [("team-alpha", "success", cohere)] * 3 + [
        ("team-alpha", "failure", "oci-llama-4-maverick"),
        ("team-beta", "success", cohere),
        ("team-beta", "success", llama),
    ]
    for _, status, _, tokens, spend in ROW.findall(done.stdout):
        assert (int(tokens) > 0, float(spend) > 0) == (status == "success",) * 2
    spent = {
        team: sum(float(spend) for t, _, _, _, spend in ROW.findall(done.stdout) if t == team)
        for team in ("team-alpha", "team-beta")
    }
    by_key = done.stdout.split("spend by key (this run)\n")[1].split("\n\n")[0]
    assert sorted(re.findall(r"(team-\w+) +(\S+) USD", by_key)) == [(t, f"{s:.8f}") for t, s in spent.items()]
    by_model = dict(re.findall(r"^  (\S+) +(\S+) USD$", done.stdout.split("spend by model (all keys)\n")[1], re.MULTILINE))
    assert float(by_model[cohere]) > 0 and float(by_model[llama]) > 0
    assert done.stdout.endswith("\ndeleted 2 keys\n")
    assert companion_keys(gateway) == []


@BOTH
def test_costs_deletes_its_keys_when_it_fails(language, gateway, faults):
    faults.add(model="meta.llama-4*", status=400, message="the model is being moved")
    done = run("costs", language, LITELLM_GATEWAY_URL=gateway.url, LITELLM_GATEWAY_KEY=gateway.key)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("costs: the gateway refused the prompt: ")
    assert done.stdout.endswith("\ndeleted 2 keys\n")
    assert companion_keys(gateway) == []


@BOTH
def test_costs_deletes_its_keys_when_it_is_interrupted(language, gateway, faults):
    rule = faults.add(op="chat", latency="30s")
    process = subprocess.Popen(
        COMMANDS["costs", language],
        env={
            "PATH": os.environ["PATH"],
            "NO_PROXY": "127.0.0.1",
            "LITELLM_GATEWAY_URL": gateway.url,
            "LITELLM_MASTER_KEY": gateway.key,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 20
        while faults.fired(rule)[1] == 0:  # until the first call is under way
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (process.returncode, errors) == (130, "costs: interrupted\n")
    assert said.endswith("\ndeleted 2 keys\n")
    assert companion_keys(gateway) == []


@BOTH
def test_costs_waits_no_longer_than_it_is_told(language, gateway):
    """A gateway whose ledger stays empty: every route but that of the rows is the demo's."""
    with forwarder(gateway.url, {"/spend/logs": b"[]"}) as url:
        done = run(
            "costs",
            language,
            LITELLM_GATEWAY_URL=url,
            LITELLM_MASTER_KEY=gateway.key,
            LITELLM_SPEND_FLUSH_WAIT="0.1",
        )
    assert done.returncode == 1
    assert re.fullmatch(r"costs: the ledger has 0 of 6 calls after \d s\n", done.stderr)
    assert companion_keys(gateway) == []


def companion_keys(gateway):
    """The keys of the companion that the gateway still knows."""
    request = urllib.request.Request(
        gateway.url + "/key/list?return_full_object=true&size=100", headers={"Authorization": "Bearer " + gateway.key}
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        keys = json.load(reply)["keys"]
    return [k for k in keys if k["metadata"].get("owner") == "cost companion"]


@contextlib.contextmanager
def forwarder(target, answers):
    """A server that passes requests on to another, but for the paths whose answer is given."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.split("?")[0]
            status, text = (200, answers[path]) if path in answers else self.ask(body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET  # the name is the base class's

        def ask(self, body):
            headers = {n: self.headers[n] for n in ("Authorization", "Content-Type") if n in self.headers}
            request = urllib.request.Request(target + self.path, body or None, headers, method=self.command)
            try:
                with urllib.request.urlopen(request, timeout=30) as reply:
                    return reply.status, reply.read()
            except urllib.error.HTTPError as refusal:
                return refusal.code, refusal.read()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
