#!/usr/bin/env python3
"""Callback to any address: payloads, redaction, and a backend that is away while the gateway is killed."""

import signal

from backends import Recorders
from stage import HERE, Stage, claim, eventually, play, say


def demonstrate(stage: Stage) -> None:
    recorders = Recorders(stage, "generic_api")
    warehouse = recorders["generic_api"]
    gateway = stage.gateway(HERE / "callback_webhook.yaml", WAREHOUSE_URL=warehouse.url, WAREHOUSE_TOKEN=warehouse.key)

    def payload(reply) -> dict:
        """What the warehouse was told of a call."""
        call = reply.headers["x-litellm-call-id"]
        return eventually(lambda: [p for p in warehouse.taken if p["litellm_call_id"] == call], f"the warehouse hears of call {call}")[0]

    say("A call, with a key of the team's own.")
    key = gateway.make_key(key_alias="reports", metadata={"tags": ["demo"]})
    reply = gateway.chat("What is the capital of Italy?", key=key)
    told = payload(reply)
    claim(told["status"] == "success" and told["model_group"] == "oci-cohere-command", "the warehouse has LiteLLM's payload of it", told["call_type"])
    claim(told["messages"][0]["content"] == "What is the capital of Italy?", "with the question")
    claim("Rome" in told["response"]["choices"][0]["message"]["content"], "and the answer", reply.text)
    claim(told["metadata"]["user_api_key_alias"] == "reports", "who asked", told["metadata"]["user_api_key_alias"])
    claim(f"{told['response_cost']:.12f}" == f"{float(reply.headers['x-litellm-response-cost']):.12f}", "and the cost that the caller was told", told["response_cost"])

    say("A stream.")
    reply = gateway.chat("What is 6 x 7?", stream=True)
    told = payload(reply)
    claim(told["stream"] and told["response"]["choices"][0]["message"]["content"] == reply.text, "its answer comes put together", reply.text)

    say("A call that the upstream fails.")
    stage.simulator.fault(op="chat", status=400, code="InvalidParameter", message="the demonstration says no")
    reply = gateway.chat("Does this work?")
    stage.simulator.mend()
    told = payload(reply)
    claim(reply.status == 400 and told["status"] == "failure", "the caller got an error, the warehouse a failure", told["error_information"]["error_class"])

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
    for reply in replies:
        payload(reply)
    claim(True, "after its restart the gateway delivers all five")
    calls = [p["litellm_call_id"] for p in warehouse.taken]
    claim(silent.headers["x-litellm-call-id"] not in calls, "of the call with no-log nothing was told")
    claim(not warehouse.state()["refused"], "and nothing came that the warehouse would refuse", f"{warehouse.state()['requests']} requests")
    recorders.end()


play(demonstrate, __doc__)
