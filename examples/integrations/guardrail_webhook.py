#!/usr/bin/env python3
"""Guardrail of your own: a service of forty lines that blocks words, masks project names, and is obeyed in streams too."""

import json
import re
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from stage import HERE, Stage, claim, play, say

KEY = secrets.token_hex(16)
PROJECT = re.compile(r"project [A-Z]\w+")


class HouseRules(BaseHTTPRequestHandler):
    """The service: blocks what is about the moon base and answers that are internal, masks the names of projects."""

    seen: list[dict] = []

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append(asked)
        texts = [PROJECT.sub("project [NAME]", text) for text in asked["texts"]]
        if self.headers["Authorization"] != f"Bearer {KEY}" or self.path != "/beta/litellm_basic_guardrail_api":
            self.answer(401, {"error": "who are you"})
        elif any("moon base" in text for text in texts):
            self.answer(200, {"action": "BLOCKED", "blocked_reason": "the moon base is not discussed"})
        elif asked["input_type"] == "response" and any("for internal use" in text for text in texts):
            self.answer(200, {"action": "BLOCKED", "blocked_reason": "answers must not say so"})
        elif texts != asked["texts"]:
            self.answer(200, {"action": "GUARDRAIL_INTERVENED", "texts": texts})
        else:
            self.answer(200, {"action": "NONE"})

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def demonstrate(stage: Stage) -> None:
    service = ThreadingHTTPServer(("127.0.0.1", 0), HouseRules)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    gateway = stage.gateway(HERE / "guardrail_webhook.yaml", HOUSE_RULES_URL=f"http://127.0.0.1:{service.server_port}", HOUSE_RULES_KEY=KEY)
    simulator = stage.simulator

    say("A question that the rules have nothing against.")
    reply = gateway.chat("What is the capital of Spain?")
    claim(reply.text == "Madrid.", "it is answered", reply.text)
    claim(
        reply.headers.get("x-litellm-applied-guardrails") == "house-rules",
        "the answer says who has looked at it",
        "x-litellm-applied-guardrails: house-rules",
    )
    claim([s["input_type"] for s in HouseRules.seen] == ["request", "response"], "the service saw the question and the answer")

    say("The same once more: the answer is in the cache.")
    reply = gateway.chat("What is the capital of Spain?")
    claim(reply.hit, "it comes from there", reply.text)
    claim(len(HouseRules.seen) == 4, "and the service has seen question and answer again: a hit passes nothing by")

    say("A question about the moon base.")
    simulator.forget()
    reply = gateway.chat("How far is the moon base?")
    claim(reply.status == 400 and "not discussed" in reply.error, "it is refused with the service's reason", reply.error)
    claim(not simulator.requests(), "and the model was not asked")

    say("A question with the name of a project.")
    reply = gateway.chat("Repeat exactly: project Bluebird starts today")
    sent = simulator.requests("chat")[-1]["body"]
    claim("Bluebird" not in sent and "project [NAME]" in sent, "the model gets it masked", reply.text)

    say("A stream whose answer ends with what answers must not say.")
    HouseRules.seen.clear()
    reply = gateway.chat(f"Repeat exactly: {'the sea is wide and ' * 40}this is for internal use", stream=True)
    looks = sum(s["input_type"] == "response" for s in HouseRules.seen)
    claim("for internal use" not in reply.body.decode(), "the words never reach the caller", f"{looks} looks at the answer")
    claim("answers" in reply.error, "who is told why it ends", reply.error)
    claim(gateway.chat("Write a story of 200 words about a ship", stream=True).text.count(" ") > 150, "a harmless stream comes whole")

    say("The service is away.")
    open_ = gateway.chat("What is 1 + 2?", guardrails=["best-effort"])
    claim(open_.text == "3", "a guardrail that fails open lets the call pass", open_.text)
    closed = gateway.chat("What is 1 + 2?", guardrails=["strict"])
    claim(closed.status == 500 and "strict" in closed.error, "any other refuses it: closed is the standard", closed.error)


play(demonstrate, __doc__)
