#!/usr/bin/env python3
"""Cache by meaning: a question asked in other words is answered from the cache.

cache_semantic.py [local|qdrant|pgvector]   where entries are kept; without it all three, one after the other
"""

import sys

from backends import Postgres, Qdrant
from stage import HERE, Stage, claim, eventually, play, say

ASKED = "What is the capital of Portugal?"
IN_OTHER_WORDS = "Which city is the capital of Portugal?"
ANOTHER = "What is the capital of Spain?"


def demonstrate(stage: Stage, kind: str) -> None:
    backend, where = None, {}
    if kind == "qdrant":
        backend = Qdrant(stage)
        where = {"QDRANT_URL": backend.url, "QDRANT_API_KEY": backend.api_key}
    elif kind == "pgvector":
        backend = Postgres(stage)
        where = {"VECTORS_URL": backend.url}
    gateway = stage.gateway(HERE / f"cache_semantic_{kind}.yaml", **where)
    key = gateway.make_key()

    def similarity(text: str, **fields) -> str:
        """How similar the question was whose answer came, "" where the model was asked."""
        return gateway.chat(text, key=key, **fields).headers.get("x-litellm-semantic-similarity", "")

    say(f"{kind}: a question, and the same in other words.")
    first = gateway.chat(ASKED, key=key)
    claim(not first.hit, "the first goes to the model", first.text)
    eventually(lambda: similarity(ASKED), "the answer is found again")
    stage.simulator.forget()
    reply = gateway.chat(IN_OTHER_WORDS, key=key)
    claim(reply.hit and reply.text == first.text, f'"{IN_OTHER_WORDS}" is a hit', reply.text)
    claim(
        0.8 <= float(reply.headers["x-litellm-semantic-similarity"]) < 1,
        "the answer says how similar it was",
        reply.headers["x-litellm-semantic-similarity"],
    )
    asked = [r["op"] for r in stage.simulator.requests()]
    claim(asked == ["embed"], "OCI embedded the question and answered none", asked)
    claim(0 < reply.cost < first.cost, "it cost what the embedding costs", reply.cost)

    say(f"{kind}: what is no hit.")
    claim(not similarity(ANOTHER), f'"{ANOTHER}"')
    claim(not similarity(ASKED, temperature=0.3), "the same question with another parameter")
    other = gateway.chat(ASKED, key=gateway.make_key())
    claim("x-litellm-semantic-similarity" not in other.headers, "the same question of another tenant")

    if backend:
        say(f"{kind}: it goes away.")
        backend.process.end()
        claim(gateway.chat(ASKED, key=key).text == first.text, "calls are answered by the model", first.text)


for kind in sys.argv[1:] or ["local", "qdrant", "pgvector"]:
    play(lambda stage, kind=kind: demonstrate(stage, kind), f"Cache by meaning, kept in {kind}.")
