"""Sends every signal of the callback `otel` through a real Collector, by each protocol, and counts what holds."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "examples/integrations"))

from backends import Collector  # noqa: E402
from stage import Gateway, NotSo, Stage, eventually  # noqa: E402

CONFIG = """
include: [{root}/examples/integrations/models.yaml]
litellm_settings: {{callbacks: [otel], set_verbose: true}}
callback_settings: {{otel: {{metrics: true, events: true, message_logging: true, compression: gzip}}}}
tollgate_settings: {{log_otel: true}}
"""

passed, failed = 0, 0


def check(holds, text: str, seen=None) -> None:
    global passed, failed
    if holds:
        passed += 1
        print(f"  ok    {text}")
    else:
        failed += 1
        print(f"  FAIL  {text}: {seen}")


class Sink:
    """Where the Collector passes on what it got, as OTLP in JSON."""

    def __init__(self) -> None:
        self.got: dict[str, list] = {}
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                sink.got.setdefault(self.path, []).append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}"

    def all(self, signal: str, resource: str, scope: str, item: str) -> list[dict]:
        return [i for body in self.got.get(f"/v1/{signal}", []) for r in body[resource] for s in r[scope] for i in s[item]]


def plain(attributes: list[dict]) -> dict:
    return {a["key"]: next(iter(a["value"].values()), None) for a in attributes}


def call(gateway: Gateway, key: str) -> str:
    trace = "0af7651916cd43dd8448eb211c80319c"
    gateway.chat("What is the capital of Finland?", key=key, headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    return trace


def run(stage: Stage, protocol: str) -> None:
    sink = Sink()
    collector = Collector(stage, sink.url)
    config = stage.folder / "otel.yaml"
    config.write_text(CONFIG.format(root=ROOT))
    gateway = stage.gateway(
        config,
        OTEL_EXPORTER_OTLP_PROTOCOL={"http": "http/protobuf"}.get(protocol, protocol),
        OTEL_EXPORTER_OTLP_ENDPOINT={"http": collector.http, "grpc": collector.grpc}[protocol],
        OTEL_BSP_SCHEDULE_DELAY="200",
    )
    key = gateway.key
    trace = call(gateway, key)

    spans = eventually(lambda: [s for s in sink.all("traces", "resourceSpans", "scopeSpans", "spans") if s["traceId"] == trace], "traces come")
    chat = next(plain(s["attributes"]) for s in spans if s["name"].startswith("chat "))
    check(any(s.get("parentSpanId") == "b7ad6b7169203331" and s["kind"] == 2 for s in spans), "the call's span hangs below the caller's", spans)
    check("Finland" in chat["gen_ai.input.messages"] and "Helsinki" in chat["gen_ai.output.messages"], "texts go along where they are asked for", chat)

    metrics = eventually(lambda: sink.all("metrics", "resourceMetrics", "scopeMetrics", "metrics"), "metrics come")
    names = {m["name"] for m in metrics}
    check({"gen_ai.client.operation.duration", "gen_ai.client.token.usage", "gen_ai.usage.cost"} <= names, "metrics have the conventions' names", names)
    tokens = [p for m in metrics if m["name"] == "gen_ai.client.token.usage" for p in m["histogram"]["dataPoints"]]
    used = {plain(p["attributes"])["gen_ai.token.type"]: p["sum"] for p in tokens}
    check(used.get("input") == int(chat["gen_ai.usage.input_tokens"]), "they count what the span says", (used, chat))

    logs = eventually(lambda: len(sink.all("logs", "resourceLogs", "scopeLogs", "logRecords")) >= 2 and sink.all("logs", "resourceLogs", "scopeLogs", "logRecords"), "logs come")
    check(any(r.get("body", {}).get("stringValue") == "call" and r["traceId"] == trace for r in logs), "the access log's line is joined to the trace", logs)
    check(any(r.get("eventName") == "gen_ai.client.inference.operation.details" for r in logs), "the event of the conventions is there", logs)

    said = gateway.process.said()
    check("upstream request" in said and "upstream answer" in said, "debug logs show what the upstream was asked", said[-2000:])
    check("Signature" not in said and "Finland" not in said and key not in said, "and neither signature, key nor text")
    check(eventually(lambda: f"trace_id={trace}" in gateway.process.said(), "lines have the trace's id"), "lines have the trace's id")


for protocol in ("http", "grpc"):
    print(protocol)
    try:
        with Stage() as stage:
            run(stage, protocol)
    except NotSo as wrong:
        check(False, str(wrong))
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
