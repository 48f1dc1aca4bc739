#!/usr/bin/env python3
"""Cache in S3, on SeaweedFS, which verifies signatures: hits over a restart, and a wrong key that harms no call."""

from backends import S3
from stage import HERE, Stage, claim, eventually, play, say

QUESTION = "What is the capital of Cuba?"


def demonstrate(stage: Stage) -> None:
    s3 = S3(stage, "answers")
    where = {"S3_URL": s3.url, "S3_ACCESS_KEY": s3.access_key, "S3_SECRET_KEY": s3.secret_key}
    gateway = stage.gateway(HERE / "cache_s3.yaml", **where)

    say("The same question twice.")
    first = gateway.chat(QUESTION)
    name = eventually(s3.keys, "an object is in the bucket")[0]
    claim(name.startswith("llm/"), "the answer is an object of the bucket", name)
    claim("Havana" in s3.read(name), "which any client of S3 can read")
    gateway.restart()
    second = eventually(lambda: (r := gateway.chat(QUESTION, cache={"no-store": True})).hit and r, "there is a hit")
    claim(second.json == first.json, "after a restart the second is a hit, with the same answer to the letter", second.text)

    say("A gateway whose key is wrong.")
    wrong = stage.gateway(HERE / "cache_s3.yaml", "gateway-two", **where | {"S3_SECRET_KEY": "not-the-secret"})
    reply = wrong.chat(QUESTION)
    claim(not reply.hit and reply.text == "Havana.", "its calls are answered by the model", reply.text)
    claim(s3.secret_key not in wrong.process.said() and "not-the-secret" not in wrong.process.said(), "and its log has no key in it")

    say("The operator empties the cache.")
    gateway.call("POST", "/cache/flushall")
    claim(not s3.keys(), "the bucket is empty", s3.keys())


play(demonstrate, __doc__)
