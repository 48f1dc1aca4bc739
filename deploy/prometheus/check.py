"""Evaluates every query of the dashboard and of the alerts on a real Prometheus in front of the demo.

check.py FOLDER    FOLDER holds the binary tollgate; everything that is written goes there.

A query fails the check when Prometheus refuses it, or when it names a series or a label that the reference, as the
binary writes it, does not have.
"""

import json
import pathlib
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEY = "sk-check-of-prometheus"
# What Prometheus itself adds, and what Go's client library says of the process.
FOREIGN = re.compile(r"^(up|ALERTS|go_\w+|process_\w+)$")
FOREIGN_LABELS = {"job", "instance", "le"}


def main(folder):
    known, labels = documented(folder)
    queries = list(dashboard()) + [("alerts.yml", query) for query in alerts()]
    problems = [p for where, query in queries for p in unknown(where, query, known, labels)]
    with Demo(folder) as demo, Prometheus(folder, demo.port) as prometheus:
        for where, query in queries:
            error = prometheus.evaluate(filled(query))
            if error:
                problems.append(f"{where}: {error}: {query}")
        rules = prometheus.rules()
        problems += [f"alert {rule['name']}: {rule['health']} {rule.get('lastError', '')}" for rule in rules if rule["health"] != "ok"]
        silent = [name for name in ("tollgate_requests_total", "tollgate_spend_usd_total", "tollgate_ledger_rows_booked_total") if not prometheus.value(name)]
        problems += [f"{name} has no value after calls" for name in silent]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(queries)} queries and {len(rules)} alerts evaluated, {len(problems)} problems")
    print(f"{max(len(queries) + len(rules) - len(problems), 0)} passed, {len(problems)} failed")
    return 1 if problems or len(queries) < 40 else 0


def documented(folder):
    """The series of the reference, and all labels."""
    pages = pathlib.Path(folder) / "docs"
    pages.mkdir()
    subprocess.run([f"{folder}/tollgate", "docs", str(pages)], check=True)
    known, labels = set(), set(FOREIGN_LABELS)
    for line in (pages / "metrics.md").read_text().splitlines():
        row = re.match(r"\| `((?:tollgate|litellm)_\w+)` \| (\w+) \| (.*?) \|", line)
        if not row:
            continue
        name, kind = row[1], row[2]
        known |= {name + end for end in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
        labels |= set(re.findall(r"`(\w+)`", row[3]))
    return known, labels


def dashboard():
    """The queries of the dashboards, each with the panel's or the variable's name."""
    for name in ("tollgate", "litellm"):
        yield from queries(json.loads((ROOT / f"deploy/grafana/{name}.json").read_text()))


def queries(board):
    """The queries of one dashboard."""
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                yield panel["title"], f"count by ({label}) ({target['expr']})"
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()
            yield f"variable {variable['name']}", f"count by ({label}) ({series})"


def alerts():
    """The expressions of the alerts, and of what their texts say of labels."""
    text = (ROOT / "deploy/prometheus/alerts.yml").read_text()
    for rule in re.split(r"\n +- alert: ", text)[1:]:
        expression = re.search(r"\n +expr: (?:\|\n)?(.*?)\n +(?:for|labels):", rule, re.DOTALL)[1]
        expression = " ".join(expression.split())
        yield expression
        for label in re.findall(r"\$labels\.(\w+)", rule):
            yield f"count by ({label}) ({expression})"


def unknown(where, query, known, labels):
    """What a query names that does not exist."""
    bare = re.sub(r'"[^"]*"', '""', query)
    for name in set(re.findall(r"\b(?:tollgate|litellm|process|go)_\w+|\bup\b", bare)):
        if name not in known | labels and not FOREIGN.match(name):
            yield f"{where}: no series {name}: {query}"
    inside = re.findall(r"\bby \(([^)]*)\)", bare)
    used = {label.strip() for text in inside for label in text.split(",")} | set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", bare))
    for label in used - labels:
        yield f"{where}: no label {label}: {query}"


def filled(query):
    """A query with Grafana's variables replaced as Grafana does for All."""
    return re.sub(r"\$(job|instance|model)\b", ".*", query.replace("$__rate_interval", "1m"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(url, key=None, body=None):
    """The JSON of an answer, that of an error too."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(url, headers=headers, data=json.dumps(body).encode() if body else None)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        return json.load(error)


def wait(what, test, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if test():
                return
        except OSError:
            pass  # not listening yet
        time.sleep(0.2)
    raise SystemExit(f"{what}: not within {seconds} seconds")


class Program:
    """A program that ends with the block."""

    def __init__(self, folder, name, command, env=None):
        with open(pathlib.Path(folder) / f"{name}.log", "w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=env, cwd=folder)

    def __enter__(self):
        try:
            self.prepare()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def prepare(self):
        """Waits until the program can be asked."""
        raise NotImplementedError


class Demo(Program):
    """The gateway in front of the simulator, after calls that end in different ways."""

    def __init__(self, folder):
        self.port = free_port()
        super().__init__(folder, "demo", [f"{folder}/tollgate", "demo", "--port", str(self.port), "--data-dir", f"{folder}/data"], {"LITELLM_MASTER_KEY": KEY, "PATH": "/usr/bin:/bin"})

    def prepare(self):
        base = f"http://127.0.0.1:{self.port}"
        wait("the demo", lambda: ask(f"{base}/health/readiness")["status"] == "healthy")
        chat = {"messages": [{"role": "user", "content": "Hello"}]}
        for key, model in [(KEY, "oci-cohere-command"), (KEY, "oci-llama-4-maverick"), (KEY, "no-such-model"), ("sk-wrong", "oci-grok")]:
            ask(f"{base}/v1/chat/completions", key, chat | {"model": model})


class Prometheus(Program):
    """Prometheus with our configuration; only the gateway's address, the key's file and the interval are other ones."""

    def __init__(self, folder, target):
        self.base = f"http://127.0.0.1:{free_port()}"
        text = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
        for old, new in [("gateway:4000", f"127.0.0.1:{target}"), ("/run/secrets/litellm_master_key", f"{folder}/key"), ("- alerts.yml", f"- {ROOT}/deploy/prometheus/alerts.yml"), ("15s", "1s")]:
            if old not in text:
                raise SystemExit(f"prometheus.yml no longer holds {old}")
            text = text.replace(old, new)
        (pathlib.Path(folder) / "prometheus.yml").write_text(text)
        (pathlib.Path(folder) / "key").write_text(KEY)
        super().__init__(folder, "prometheus", ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address={self.base.removeprefix('http://')}"])

    def prepare(self):
        wait("a scrape of the gateway", lambda: self.value('up{job="tollgate"}') == 1)
        wait("rows of the ledger", lambda: self.value("tollgate_ledger_rows_booked_total"))
        wait("an evaluation of all alerts", lambda: all(rule["health"] != "unknown" for rule in self.rules()))

    def query(self, text):
        return ask(f"{self.base}/api/v1/query?" + urllib.parse.urlencode({"query": text}))

    def evaluate(self, text):
        reply = self.query(text)
        return None if reply["status"] == "success" else reply["error"]

    def value(self, text):
        result = self.query(text)["data"]["result"]
        return sum(float(series["value"][1]) for series in result)

    def rules(self):
        groups = ask(f"{self.base}/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
