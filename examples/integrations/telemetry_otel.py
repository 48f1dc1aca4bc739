#!/usr/bin/env python3
"""Traces by OpenTelemetry, through a real Collector, over HTTP and over gRPC.

telemetry_otel.py [http|grpc]   without it both, one after the other
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from backends import Collector
from stage import HERE, MODEL, Stage, claim, eventually, play, say

QUESTION = "What is the capital of Finland?"


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


def demonstrate(stage: Stage, protocol: str) -> None:
    sink = Sink()
    collector = Collector(stage, sink.url)
    where = {"http": ("http/protobuf", collector.http), "grpc": ("grpc", collector.grpc)}[protocol]
    gateway = stage.gateway(
        HERE / "telemetry_otel.yaml",
        OTEL_EXPORTER_OTLP_PROTOCOL=where[0],
        OTEL_EXPORTER_OTLP_ENDPOINT=where[1],
        OTEL_BSP_SCHEDULE_DELAY="200",
    )

    def trace(number: int, text: str) -> list[dict]:
        """Make a call as part of a trace of the caller's own, and return the spans that came of it."""
        id_, parent = f"{number:032x}", f"{number:016x}"
        gateway.chat(text, headers={"traceparent": f"00-{id_}-{parent}-01"})
        spans = eventually(
            lambda: any(s.get("parentSpanId") == parent for s in sink.spans(id_)) and sink.spans(id_), "the spans of the call are there"
        )
        for span in sorted(spans, key=lambda s: int(s["startTimeUnixNano"])):
            took = (int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])) / 1e6
            print(f"      {span['name']}  {took:.1f} ms")
        return spans

    say(f"{protocol}: a call that is part of the caller's trace.")
    spans = trace(0xA1, QUESTION)
    claim(len(spans) >= 2, "the Collector has its spans, below the caller's own", len(spans))
    chat = next(s for s in spans if s["name"] == f"chat {MODEL}" or s["plain"].get("gen_ai.operation.name") == "chat")
    claim(
        int(chat["plain"]["gen_ai.usage.input_tokens"]) > 0,
        "with the attributes of GenAI's conventions",
        {k: v for k, v in chat["plain"].items() if k.startswith("gen_ai.")},
    )
    claim(
        "Finland" not in json.dumps(sink.got) and "Helsinki" not in json.dumps(sink.got),
        "and without the texts, which nobody has asked for",
    )

    say(f"{protocol}: an upstream that fails once, and a hit.")
    stage.simulator.fault(op="chat", status=500, code="InternalServerError", message="out of order", times=1)
    retried = trace(0xB2, "What is 3 + 4?")
    claim(len(retried) > len(spans), "the second attempt has a span of its own", f"{len(retried)} spans")
    hit = trace(0xC3, QUESTION)
    claim(len(hit) < len(retried), "a hit asks no upstream", f"{len(hit)} spans")

    say(f"{protocol}: the Collector goes away and comes back.")
    collector.process.end()
    claim(gateway.chat("What is 5 + 5?").text == "10", "no caller notices", "10")
    collector.process.start()
    collector.wait()
    claim(trace(0xD4, "What is 6 + 6?"), "and spans arrive again")


for protocol in sys.argv[1:] or ["http", "grpc"]:
    play(lambda stage, protocol=protocol: demonstrate(stage, protocol), f"OpenTelemetry, by a real Collector, over {protocol}.")
