#!/usr/bin/env python3
"""Traces by OpenTelemetry, through a real Collector, over HTTP and over gRPC.

telemetry_otel.py [http|grpc]   without it both, one after the other
"""

import json
import sys

from backends import Collector, Sink
from stage import HERE, Stage, claim, eventually, play, say

QUESTION = "What is the capital of Finland?"


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

    def ask(number: int, text: str) -> str:
        """Make a call as part of a trace of the caller's own, and return the trace's id."""
        gateway.chat(text, headers={"traceparent": f"00-{number:032x}-{number:016x}-01"})
        return f"{number:032x}"

    def spans_of(trace: str) -> list[dict]:
        """The spans of a trace, once that of the whole call is there."""
        whole = trace[16:]  # the caller's own span, by ask
        eventually(lambda: any(s.get("parentSpanId") == whole for s in sink.spans(trace)), "the spans of the call are there")
        spans = sorted(sink.spans(trace), key=lambda s: int(s["startTimeUnixNano"]))
        for span in spans:
            took = (int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])) / 1e6
            print(f"      {span['name']}  {took:.1f} ms")
        return spans

    say(f"{protocol}: a call that is part of the caller's trace.")
    spans = spans_of(ask(0xA1, QUESTION))
    claim(len(spans) >= 2, "the Collector has its spans, below the caller's own", f"{len(spans)} spans")
    chat = next(s["plain"] for s in spans if s["plain"].get("gen_ai.operation.name") == "chat")
    claim(int(chat["gen_ai.usage.output_tokens"]) > 0, "with the attributes of GenAI's conventions", chat["gen_ai.provider.name"])
    everything = json.dumps(sink.got)
    claim("Finland" not in everything and "Helsinki" not in everything, "and without the texts, which nobody has asked for")

    say(f"{protocol}: an upstream that fails once, and an answer from the cache.")
    stage.simulator.fault(op="chat", status=500, code="InternalServerError", message="out of order", times=1)
    retried = spans_of(ask(0xB2, "What is 3 + 4?"))
    failed = [s for s in retried if s["status"].get("code") == 2]
    claim(
        len(failed) == 1 and len(retried) == len(spans) + 1,
        "the attempt that failed has a span of its own",
        failed[0]["status"]["message"][:60],
    )
    hit = spans_of(ask(0xC3, QUESTION))
    claim(not any("gen_ai.operation.name" in s["plain"] for s in hit), "a hit has no span of an upstream", f"{len(hit)} spans")

    say(f"{protocol}: the Collector is away for a call, and comes back.")
    collector.process.end()
    away = ask(0xD4, "What is 5 + 5?")
    claim(not sink.spans(away), "the call is answered, its spans wait")
    collector.process.start()
    collector.wait()
    claim(len(spans_of(away)) == len(spans), "and they arrive")


for protocol in sys.argv[1:] or ["http", "grpc"]:
    play(lambda stage, protocol=protocol: demonstrate(stage, protocol), f"OpenTelemetry, by a real Collector, over {protocol}.")
