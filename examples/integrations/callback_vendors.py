#!/usr/bin/env python3
"""Callbacks to Datadog and Helicone: one call told to three services, to each in its own words, and a rate limit obeyed."""

import json

from backends import Recorders
from stage import HERE, Stage, claim, claim_soon, eventually, play, say


def demonstrate(stage: Stage) -> None:
    recorders = Recorders(stage, "datadog", "helicone")
    datadog, helicone = recorders["datadog"], recorders["helicone"]
    gateway = stage.gateway(
        HERE / "callback_vendors.yaml",
        DD_API_KEY=datadog.key,
        DD_SITE="datadoghq.eu",
        DATADOG_URL=datadog.url,
        HELICONE_API_KEY=helicone.key,
        HELICONE_URL=helicone.url,
    )

    say("A call with a tag and a property for Helicone.")
    headers = {"Helicone-Property-Desk": "two"}
    reply = gateway.chat("What is the capital of Japan?", headers=headers, metadata={"tags": ["desk:two"]})
    log = eventually(lambda: datadog.taken["logs"], "Datadog gets a log")[0]
    message = json.loads(log["message"])
    claim(log["status"] == "info" and log["ddsource"] == "litellm", "Datadog has a log", log["ddtags"])
    claim("Tokyo" in json.dumps(message["response"]), "whose message is LiteLLM's payload", message["id"])
    span = eventually(lambda: datadog.taken["spans"], "Datadog gets a span")[0]
    claim(span["meta"]["kind"] == "llm" and span["metrics"]["output_tokens"] > 0, "and an LLM span with its tokens", span["metrics"])
    claim(
        "Tokyo" not in json.dumps(span) and "Japan" not in json.dumps(span),
        "which has no texts, because the file says so",
        span["meta"]["output"],
    )
    entry = eventually(lambda: helicone.taken, "Helicone gets a log")[0]
    claim("Tokyo" in json.dumps(entry["providerResponse"]), "Helicone has question and answer", entry["providerRequest"]["url"])
    properties = entry["providerRequest"]["meta"]
    claim(properties["Helicone-Property-Desk"] == "two", "with the caller's property", properties["Helicone-Property-Desk"])
    claim(reply.text == "Tokyo.", "and the caller has his answer", reply.text)

    say("Datadog limits the rate (429, Retry-After: 1); ten calls come.")
    before = len(datadog.taken["logs"])
    datadog.fail(429, times=2, retry_after=1)
    for n in range(10):
        gateway.chat(f"What is {n} x {n}?")
    claim_soon(lambda: len(datadog.taken["logs"]) == before + 10, "Datadog gets all ten logs after the pause that it asked for", 10)
    claim_soon(lambda: len(datadog.taken["spans"]) == before + 10, "and all ten spans", 10)
    claim_soon(lambda: len(helicone.taken) == 11, "Helicone gets all, each once", 11)
    recorders.end()


play(demonstrate, __doc__)
