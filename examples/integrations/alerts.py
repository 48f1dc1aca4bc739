#!/usr/bin/env python3
"""Alerts: a failing model, a slow one and a spent budget are told to Slack and to a webhook, once each."""

import json

from backends import Recorders
from stage import HERE, MODEL, Stage, claim, eventually, play, say


def demonstrate(stage: Stage) -> None:
    recorders = Recorders(stage, "slack", "budget_webhook")
    slack, webhook = recorders["slack"], recorders["budget_webhook"]
    gateway = stage.gateway(HERE / "alerts.yaml", SLACK_WEBHOOK_URL=slack.url + slack.facts["path"], WEBHOOK_URL=webhook.url)

    def message(*words: str) -> str:
        """The first message at Slack that has all the words."""
        return eventually(lambda: [t for t in slack.taken if all(w.lower() in t.lower() for w in words)], f"Slack is told of {words}")[0]

    def shown(text: str) -> str:
        return text.replace("\n", " | ")[:160]

    say("The model fails (500).")
    stage.simulator.fault(op="chat", status=500, code="InternalServerError", message="out of order")
    claim(gateway.chat("What is 1 + 1?").status >= 500, "the caller gets the error")
    stage.simulator.mend()
    text = message(MODEL, "out of order")
    claim(text, "Slack is told of it", shown(text))

    say("The model takes two seconds.")
    stage.simulator.fault(op="chat", latency="2s", times=1)
    claim(gateway.chat("What is 2 + 2?").text == "4", "the caller gets the answer")
    text = message("slow")
    claim(text, "Slack is told that it was slow", shown(text))

    say("A key spends its budget.")
    key = gateway.make_key(key_alias="intern", max_budget=0.0002)
    for n in range(20):
        reply = gateway.chat(f"What is {n} + {n}?", key=key, max_tokens=5)
        if reply.status != 200:
            break
    claim(reply.status in (400, 429), "in the end the caller is refused", reply.error)

    def crossed() -> list[dict]:
        return [e for e in webhook.taken if e["event"] == "budget_crossed"]

    event = eventually(crossed, "the webhook is told")[0]
    claim(event["key_alias"] == "intern" and event["spend"] > 0.0001, "the webhook gets LiteLLM's event", event["event_message"])
    text = message("budget crossed", "intern")
    claim(text, "Slack is told as well", shown(text))
    for _ in range(5):
        gateway.chat("Once more", key=key)
    claim(len(crossed()) == 1, "once, however often the key tries", len(crossed()))

    say("A test message.")
    claim(gateway.call("GET", "/health/services?service=slack").status == 200, "/health/services?service=slack sends one")
    everything = json.dumps([slack.taken, webhook.taken])
    claim(key not in everything and stage.master_key not in everything, "no key is in any message")
    recorders.end()


play(demonstrate, __doc__)
