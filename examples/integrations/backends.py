"""The real servers that demonstrations talk to, each installed by its script below test/setup at its first use.

Where a service is to be had only from its vendor, a recorder plays it: test/integrations/recorders.
"""

import glob
import json
import os
import secrets
import shutil
import signal
import subprocess
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from stage import ROOT, Gateway, NotSo, Stage, ask, claim, free_port


def set_up(*scripts: str) -> None:
    """Run scripts of test/setup, unless the caller of the demonstration has done so."""
    if os.environ.get("TOLLGATE_DEMO_READY"):
        return
    for script in scripts:
        if subprocess.run([ROOT / "test/setup" / script], cwd=ROOT).returncode:
            raise NotSo(f"test/setup/{script} failed")


class Redis:
    """A Redis that keeps nothing on disk."""

    def __init__(self, stage: Stage) -> None:
        set_up("redis.sh")
        self.port = free_port()
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        arguments = [program, "--port", self.port, "--bind", "127.0.0.1", "--dir", stage.folder, "--save", ""]
        self.process = stage.run("redis", arguments)
        self.process.wait_for(lambda: "eady to accept connections" in self.process.said())
        self.url = f"redis://127.0.0.1:{self.port}"


class S3:
    """SeaweedFS with its S3 gateway, which verifies signatures, and one bucket."""

    def __init__(self, stage: Stage, bucket: str) -> None:
        set_up("seaweedfs.sh")
        self.access_key, self.secret_key, self.bucket = secrets.token_hex(10), secrets.token_hex(20), bucket
        folder = stage.folder / "seaweedfs"
        folder.mkdir()
        who = {"name": "demo", "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}], "actions": ["Admin"]}
        (folder / "s3.json").write_text(json.dumps({"identities": [who]}))
        self.port = free_port()
        others = {f"{part}.port{kind}": free_port() for part in ("master", "volume", "filer", "s3") for kind in ("", ".grpc")}
        others["s3.port"] = self.port
        stage.litter += [Path(f"/tmp/seaweedfs-{name.replace('.port', '').replace('.', '-')}-{port}.sock") for name, port in others.items()]
        self.process = stage.run(
            "seaweedfs",
            [
                ROOT / ".cache/bin/weed",
                "-logtostderr=true",
                "server",
                f"-dir={folder}",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-s3",
                "-s3.ip.bind=127.0.0.1",
                f"-s3.config={folder}/s3.json",
                "-s3.iam=false",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-master.volumeSizeLimitMB=64",
                "-volume.max=100",
                "-master.telemetry=false",
                *(f"-{name}={port}" for name, port in others.items()),
            ],
        )
        self.process.ending = signal.SIGKILL  # it would wait for ten seconds
        self.url = f"http://127.0.0.1:{self.port}"
        # 403 is what it has for a stranger once it works.
        self.process.wait_for(lambda: ask(self.url + "/").status == 403)
        self.process.wait_for(lambda: self.ask("PUT", f"/{bucket}").status in (200, 409))
        # A new cluster takes some seconds until it stores the first object.
        self.process.wait_for(lambda: self.ask("PUT", f"/{bucket}/ready").status == 200)
        self.ask("DELETE", f"/{bucket}/ready")

    def ask(self, method: str, path: str, query: str = ""):
        """Make a signed call, by curl's own signer: none of the gateway's code is in it."""
        command = [
            "curl",
            "--silent",
            "--write-out",
            "\n%{http_code}",
            "--aws-sigv4",
            "aws:amz:us-east-1:s3",
            "--user",
            f"{self.access_key}:{self.secret_key}",
            "--request",
            method,
            f"{self.url}{path}{query}",
        ]
        said = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout
        body, _, status = said.rpartition("\n")
        return S3Reply(int(status or 0), body)

    def keys(self) -> list[str]:
        """The names of the bucket's objects."""
        listed = self.ask("GET", f"/{self.bucket}", "?list-type=2").text
        return [part.split("</Key>")[0] for part in listed.split("<Key>")[1:]]

    def read(self, key: str) -> str:
        return self.ask("GET", f"/{self.bucket}/{urllib.parse.quote(key)}").text


class S3Reply:
    def __init__(self, status: int, text: str) -> None:
        self.status, self.text = status, text


class Qdrant:
    """Qdrant's REST API before the engine of Qdrant's own Python client."""

    def __init__(self, stage: Stage) -> None:
        set_up("qdrant.sh")
        self.api_key, port = secrets.token_hex(16), free_port()
        python = ROOT / ".cache/python/test-integrations-qdrant/bin/python"
        server = ROOT / "test/integrations/qdrant/server.py"
        self.process = stage.run("qdrant", [python, server, "--port", port, "--path", stage.folder / "qdrant", "--api-key", self.api_key])
        self.url = f"http://127.0.0.1:{port}"
        self.process.wait_for(lambda: ask(self.url + "/").status == 401)


class Postgres:
    """A PostgreSQL that has the extension pgvector."""

    def __init__(self, stage: Stage) -> None:
        set_up("pgvector.sh")
        own = str(ROOT / ".cache/pgvector")
        found = glob.glob(own + "/share/postgresql/*/extension/vector.control") or glob.glob(
            "/usr/share/postgresql/*/extension/vector.control"
        )
        newest = max(found, key=lambda path: int(Path(path).parts[-3]))
        prefix = own if newest.startswith(own) else "/usr"
        self.bin = Path(prefix) / "lib/postgresql" / Path(newest).parts[-3] / "bin"
        folder = stage.folder / "postgres"
        folder.mkdir()
        # PostgreSQL does not run as root.
        self.who = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        if self.who:
            stage.folder.chmod(0o711)
            shutil.chown(folder, "postgres", "postgres")
        subprocess.run(
            [self.bin / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8"],
            check=True,
            capture_output=True,
            cwd="/",
            **self.who,
        )
        port = free_port()
        self.process = stage.run(
            "postgres",
            [
                self.bin / "postgres",
                "-D",
                folder / "data",
                "-p",
                port,
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
                "-c",
                "fsync=off",
                "-c",
                "dynamic_shared_memory_type=mmap",
            ],
            **self.who,
        )
        self.url = f"postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable"
        self.process.wait_for(lambda: self.query("SELECT 1") == "1")

    def query(self, statement: str) -> str:
        """Run a statement by psql and return what it printed."""
        return subprocess.run([self.bin / "psql", self.url, "-qAtc", statement], capture_output=True, text=True, timeout=30).stdout.strip()


class Presidio:
    """Microsoft Presidio's own analyzer and anonymizer, by their HTTP routes."""

    def __init__(self, stage: Stage) -> None:
        set_up("presidio.sh")
        port = free_port()
        python = ROOT / ".cache/python/test-integrations-presidio/bin/python"
        self.process = stage.run("presidio", [python, ROOT / "test/integrations/presidio/server.py", port])
        self.url = f"http://127.0.0.1:{port}"
        self.process.wait_for(lambda: ask(self.url + "/health").status == 200)


class Sink:
    """Where the Collector passes on what it got, as OTLP in JSON."""

    def __init__(self) -> None:
        self.got: dict[str, list] = {}
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                sink.got.setdefault(self.path, []).append(body)
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def spans(self, trace: str) -> list[dict]:
        """The spans of a trace, with their attributes as a plain object."""
        found = []
        for batch in self.got.get("/v1/traces", []):
            for resource in batch["resourceSpans"]:
                for scope in resource["scopeSpans"]:
                    found += [s for s in scope["spans"] if s["traceId"] == trace]
        for span in found:
            span["plain"] = {a["key"]: next(iter(a["value"].values()), None) for a in span.get("attributes", [])}
        return found


class Collector:
    """An OpenTelemetry Collector that takes OTLP and passes it on as OTLP/HTTP in JSON."""

    def __init__(self, stage: Stage, to: str) -> None:
        set_up("otelcol.sh")
        http, grpc = free_port(), free_port()
        config = stage.folder / "otelcol.yaml"
        config.write_text(f"""
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{http}"}}, grpc: {{endpoint: "127.0.0.1:{grpc}"}}}}}}}}
exporters: {{otlp_http: {{endpoint: "{to}", encoding: json, compression: none}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp_http]}}
    metrics: {{receivers: [otlp], exporters: [otlp_http]}}
    logs: {{receivers: [otlp], exporters: [otlp_http]}}
""")
        self.http, self.grpc = f"http://127.0.0.1:{http}", f"http://127.0.0.1:{grpc}"
        self.process = stage.run("otelcol", [ROOT / ".cache/bin/otelcol", "--config", config])
        self.wait()

    def wait(self) -> None:
        """Wait until it takes spans: it refuses a GET by the status 405."""
        self.process.wait_for(lambda: ask(self.http + "/v1/traces").status == 405)


class Prometheus:
    """A Prometheus that scrapes a gateway every second, with the alerts of deploy/prometheus."""

    def __init__(self, stage: Stage, gateway: Gateway) -> None:
        set_up("prometheus.sh")
        folder = stage.folder / "prometheus"
        folder.mkdir()
        (folder / "key").write_text(gateway.key)
        (folder / "prometheus.yml").write_text(f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{ROOT}/deploy/prometheus/alerts.yml]
scrape_configs:
  - job_name: tollgate
    authorization: {{credentials_file: {folder}/key}}
    static_configs: [{{targets: ["{gateway.url.removeprefix("http://")}"]}}]
""")
        port = free_port()
        self.process = stage.run(
            "prometheus",
            [
                shutil.which("prometheus"),
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
            ],
        )
        self.url = f"http://127.0.0.1:{port}"
        self.process.wait_for(lambda: ask(self.url + "/-/ready").status == 200)

    def value(self, query: str) -> float:
        """The value of a query that has one series, 0 where it has none."""
        found = ask(f"{self.url}/api/v1/query?query={urllib.parse.quote(query)}").json
        if found["status"] != "success":
            raise NotSo(f"Prometheus refuses {query}: {found}")
        result = found["data"]["result"]
        return float(result[0]["value"][1]) if result else 0

    def alerts(self) -> list[str]:
        """The names of the alerts that it evaluates without an error."""
        groups = ask(self.url + "/api/v1/rules").json["data"]["groups"]
        return [rule["name"] for group in groups for rule in group["rules"] if rule["health"] == "ok"]


class Recorders:
    """Hosted services, played by recorders that refuse what the real ones would refuse."""

    def __init__(self, stage: Stage, *kinds: str) -> None:
        program = os.environ.get("RECORDERS_BIN")
        if not program:
            program = ROOT / "build/recorders"
            subprocess.run(["go", "build", "-o", program, "./test/integrations/recorders"], cwd=ROOT, check=True)
        self._process = stage.run("recorders", [program, *kinds])
        self._where = json.loads(self._process.wait_for(lambda: "\n" in self._process.said() and self._process.said()))

    def __getitem__(self, kind: str) -> "Recorder":
        return Recorder(self._where[kind])

    def end(self) -> None:
        """End them, and claim that they have found nothing that a real service would refuse."""
        status = self._process.end()
        refused = self._process.said().split("\n", 1)[1].strip()
        claim(
            status == 0 and not refused,
            "nothing came that the real services would refuse: keys, signatures, shapes, limits",
            refused or None,
        )


class Recorder:
    """One recorder: where it is, the key that it takes, and what came."""

    def __init__(self, facts: dict) -> None:
        self.facts, self.url, self.key = facts, facts["url"], facts["key"]

    def state(self) -> dict:
        return ask(self.url + "/_recorder").json

    @property
    def taken(self):
        """What the service has taken: for guardrails the bodies of its calls."""
        taken = self.state()["taken"]
        return {kind: found or [] for kind, found in taken.items()} if isinstance(taken, dict) else taken or []

    def fail(self, status: int, times: int, retry_after: int = 0) -> None:
        """Answer the next requests with a status."""
        ask(self.url + "/_recorder/fail", "POST", {"status": status, "times": times, "retry_after": retry_after})

    def forgive(self) -> None:
        """Forget what was refused: it was what the demonstration is about."""
        ask(self.url + "/_recorder/forgive", "POST")
