#!/usr/bin/env python3
"""Langfuse: traces with user, session, tags and cost; a team with a project of its own; texts kept out; Langfuse away.

Langfuse's endpoint is played by a few lines that check keys and headers as Langfuse does; what comes is decoded by a real
OpenTelemetry Collector.
"""

import base64
import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from backends import Collector, Sink
from stage import HERE, Stage, ask, claim, claim_soon, eventually, play, say


class Langfuse:
    """Langfuse with two projects. What it refuses is in refused, the keys of what it took in projects."""

    def __init__(self, collector: Collector) -> None:
        self.keys = {name: (f"pk-lf-{secrets.token_hex(8)}", f"sk-lf-{secrets.token_hex(8)}") for name in ("main", "team")}
        self.refused: list[str] = []
        self.projects: list[str] = []
        self.away = False
        langfuse = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, wrong = langfuse.judge(self.path, self.headers)
                if status == 200:
                    passed = {name: self.headers[name] for name in ("Content-Type", "Content-Encoding") if self.headers[name]}
                    status = ask(collector.http + "/v1/traces", "POST", body, passed).status
                if wrong:
                    langfuse.refused.append(wrong)
                self.send_response(status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}"

    def judge(self, path: str, headers) -> tuple[int, str]:
        """The status of a request, and what Langfuse would have against it."""
        if self.away:
            return 503, ""
        if path != "/api/public/otel/v1/traces":
            return 404, f"there is no {path}"
        by = {"Basic " + base64.b64encode(":".join(pair).encode()).decode(): name for name, pair in self.keys.items()}
        if headers["Authorization"] not in by:
            return 401, "the keys are not known"
        if headers["Content-Type"] != "application/x-protobuf":
            return 400, f"the content type is {headers['Content-Type']}"
        if headers["x-langfuse-ingestion-version"] != "4":
            return 400, "without the header x-langfuse-ingestion-version: 4 traces show up ten minutes late"
        self.projects.append(by[headers["Authorization"]])
        return 200, ""


def demonstrate(stage: Stage) -> None:
    sink = Sink()
    langfuse = Langfuse(Collector(stage, sink.url))
    main, team = langfuse.keys["main"], langfuse.keys["team"]
    gateway = stage.gateway(
        HERE / "telemetry_langfuse.yaml", LANGFUSE_HOST=langfuse.url, LANGFUSE_PUBLIC_KEY=main[0], LANGFUSE_SECRET_KEY=main[1]
    )

    def generation(number: int, text: str, key: str | None = None, **metadata) -> dict:
        """Make a call with a trace id of the caller's, and return the attributes of its generation."""
        trace = f"{number:032x}"
        gateway.chat(text, key=key, metadata=metadata | {"trace_id": trace})
        kind = "langfuse.observation.type"
        found = eventually(lambda: [s for s in sink.spans(trace) if s["plain"].get(kind) == "generation"], "Langfuse has the generation")
        claim(len({s["spanId"] for s in sink.spans(trace)}) == len(sink.spans(trace)), "Langfuse has the trace, each span once", trace[-4:])
        return found[0]["plain"]

    say("A call with a name, a user, a session and tags.")
    key = gateway.make_key(key_alias="laptop")
    told = generation(
        0xA1, "What is the capital of Poland?", key, trace_name="geography", trace_user_id="u-7", session_id="s-1", tags=["demo"]
    )
    claim(told["langfuse.trace.name"] == "geography", "the trace has its name", told["langfuse.trace.name"])
    claim((told["langfuse.user.id"], told["langfuse.session.id"]) == ("u-7", "s-1"), "user and session", "u-7, s-1")
    tags = json.dumps(told["langfuse.trace.tags"])
    claim("demo" in tags and "user_api_key_alias:laptop" in tags, "the caller's tag, and that of the configuration")
    claim("Warsaw" in told["langfuse.observation.output"], "question and answer", told["langfuse.observation.output"][:70])
    claim(json.loads(told["langfuse.observation.usage_details"])["output"] > 0, "tokens", told["langfuse.observation.usage_details"])
    claim(json.loads(told["langfuse.observation.cost_details"])["total"] > 0, "and cost", told["langfuse.observation.cost_details"])

    say("A caller who keeps his texts to himself.")
    told = generation(0xB2, "My secret is plum.", mask_input=True, mask_output=True)
    claim("plum" not in json.dumps(sink.got), "no text is told", told["langfuse.observation.input"][:70])

    say("A team with a project of its own.")
    variables = {"langfuse_public_key": team[0], "langfuse_secret_key": team[1], "langfuse_host": langfuse.url}
    logging = {"callback_name": "langfuse", "callback_type": "success_and_failure", "callback_vars": variables}
    own = gateway.make_key(metadata={"logging": [logging]})
    langfuse.projects.clear()
    generation(0xC3, "What is the capital of Sweden?", own)
    claim(langfuse.projects == ["team"], "its calls go to its project, and not to the gateway's", langfuse.projects)

    say("Langfuse is away for three calls, and comes back.")
    langfuse.away = True
    for n in range(3):
        gateway.chat(f"What is {n} + 4?", metadata={"trace_id": f"{0xD4 + n:032x}"})
    langfuse.away = False
    claim_soon(lambda: all(sink.spans(f"{0xD4 + n:032x}") for n in range(3)), "all three arrive")
    claim(not langfuse.refused, "and nothing came that Langfuse would refuse", langfuse.refused or None)


play(demonstrate, __doc__.split("\n")[0])
