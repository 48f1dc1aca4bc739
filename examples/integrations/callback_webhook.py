#!/usr/bin/env python3
"""Callback to any address: payloads, redaction, and a backend that is away while the gateway is killed."""

import signal

from backends import Recorders
from stage import HERE, MODEL, Stage, claim, eventually, play, say


def demonstrate(stage: Stage) -> None:
    recorders = Recorders(stage, "generic_api")
    warehouse = recorders["generic_api"]
    gateway = stage.gateway(HERE / "callback_webhook.yaml", WAREHOUSE_URL=warehouse.url, WAREHOUSE_AUTHORIZATION=f"Bearer {warehouse.key}")

    def payload(reply) -> dict:
        """What the warehouse was told of a call."""
        call = reply.headers["x-litellm-call-id"]
        return eventually(lambda: [p for p in warehouse.taken if p["litellm_call_id"] == call], f"the warehouse hears of call {call}")[0]

    say("A call, with a key of the team's own.")
    key = gateway.make_key(key_alias="reports", metadata={"tags": ["demo"]})
    reply = gateway.chat("What is the capital of Italy?", key=key)
    told = payload(reply)
    claim(told["status"] == "success" and told["model_group"] == MODEL, "the warehouse has LiteLLM's payload of it", told["call_type"])
    claim(told["messages"][0]["content"] == "What is the capital of Italy?", "with the question")
    claim("Rome" in told["response"]["choices"][0]["message"]["content"], "and the answer", reply.text)
    claim(told["metadata"]["user_api_key_alias"] == "reports", "who asked", told["metadata"]["user_api_key_alias"])
    claim(abs(told["response_cost"] - reply.cost) < 1e-12, "and the cost that the caller was told", reply.cost)

    say("A stream.")
    reply = gateway.chat("What is 6 x 7?", stream=True)
    told = payload(reply)
    text = told["response"]["choices"][0]["message"]["content"]
    claim(told["stream"] and text == reply.text, "its answer comes put together", text)

    say("A call that the upstream fails.")
    stage.simulator.fault(op="chat", status=400, code="InvalidParameter", message="the demonstration says no")
    reply = gateway.chat("Does this work?")
    stage.simulator.mend()
    told = payload(reply)
    kind = told["error_information"]["error_class"]
    claim(reply.status == 400 and told["status"] == "failure", "the caller got an error, the warehouse a failure", kind)

    say("A caller who wants no text told, and one who wants nothing told.")
    told = payload(gateway.chat("My secret is plum.", headers={"x-litellm-enable-message-redaction": "true"}))
    claim("plum" not in str(told) and told["messages"][0]["content"] == "redacted-by-litellm", "the payload has no text", told["messages"])
    silent = gateway.chat("Nobody hears this.", **{"no-log": True})

    say("The warehouse is away (503), five calls come, and the gateway is killed in the middle.")
    warehouse.fail(503, times=4)
    replies = [gateway.chat(f"What is {n} + 1?") for n in range(5)]
    claim(all(r.status == 200 for r in replies), "no caller notices")
    queue = gateway.data / "callbacks" / "warehouse"
    eventually(lambda: queue.exists() and sum(f.stat().st_size for f in queue.iterdir()) > 1000, "the queue on the disk holds events")
    gateway.restart(signal.SIGKILL)
    delivered = [payload(reply)["response_cost"] for reply in replies]
    claim(all(cost > 0 for cost in delivered), "after its restart the gateway delivers all five", f"{len(delivered)} payloads")
    calls = [p["litellm_call_id"] for p in warehouse.taken]
    claim(silent.headers["x-litellm-call-id"] not in calls, "of the call with no-log nothing was told")
    recorders.end()


play(demonstrate, __doc__)
