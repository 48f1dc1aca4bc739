#!/usr/bin/env python3
"""Cache in process: a hit is at once, costs nothing, is marked, and belongs to those who asked."""

from stage import HERE, Stage, claim, claim_soon, eventually, play, say

QUESTION = "What is the capital of Norway?"


def demonstrate(stage: Stage) -> None:
    gateway = stage.gateway(HERE / "cache_local.yaml")
    simulator = stage.simulator
    key = gateway.make_key(key_alias="one")

    say("The same question twice.")
    first = gateway.chat(QUESTION, key=key)
    claim(not first.hit, "the first goes to the model", first.text)
    second = gateway.chat(QUESTION, key=key)
    claim(second.hit, "the second is a hit", second.headers.get("x-litellm-cache-key", "")[:12] + "...")
    claim(second.json == first.json, "with the same answer to the letter")
    claim(second.cost == 0 < first.cost, "which costs nothing", f"{first.cost}, then {second.cost}")
    claim(len(simulator.requests("chat")) == 1, "the model was asked once, by its own count", 1)

    say("The ledger.")
    rows = eventually(
        lambda: len(found := gateway.call("GET", f"/spend/logs?api_key={key}").json) == 2 and found, "two rows are in the ledger"
    )
    marked = {row["cache_hit"]: row["spend"] for row in rows}
    claim(marked.get("True") == 0 < marked.get("False", 0), "it has both calls, and the hit's cost is 0", marked)

    say("Another key, and what a caller may say.")
    claim(not gateway.chat(QUESTION, key=gateway.make_key()).hit, "another tenant does not get the answer")
    claim(not gateway.chat(QUESTION, key=key, cache={"no-cache": True}).hit, "no-cache asks the model again")
    claim(not gateway.chat(QUESTION, key=key, temperature=0.5).hit, "another parameter is another question")
    gateway.chat("What is 5 x 5?", key=key, cache={"no-store": True})
    claim(not gateway.chat("What is 5 x 5?", key=key).hit, "no-store keeps nothing")
    gateway.chat("What is 8 x 8?", key=key, cache={"ttl": 2})
    look = {"no-store": True}
    claim(gateway.chat("What is 8 x 8?", key=key, cache=look).hit, "an answer with a ttl of two seconds is there")
    claim_soon(lambda: not gateway.chat("What is 8 x 8?", key=key, cache=look).hit, "and soon is not", seconds=5)

    say("What a hit does not pass by: the key is blocked.")
    gateway.call("POST", "/key/block", {"key": key})
    reply = eventually(lambda: (r := gateway.chat(QUESTION, key=key)).status != 200 and r, "the key is refused")
    claim(reply.status in (401, 403), "no answer, from the cache neither", reply.status)

    say("The operator empties it.")
    gateway.chat(QUESTION)
    claim(gateway.chat(QUESTION).hit, "the master key has a hit of its own")
    claim(gateway.call("POST", "/cache/flushall").status == 200, "POST /cache/flushall")
    claim(not gateway.chat(QUESTION).hit, "and has it no more")


play(demonstrate, __doc__)
