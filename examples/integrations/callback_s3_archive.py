#!/usr/bin/env python3
"""Archive of calls in S3, on SeaweedFS, which verifies signatures: objects by team and day, and a server that hangs."""

import json
import signal

from backends import S3
from stage import HERE, Stage, claim, eventually, play, say


def demonstrate(stage: Stage) -> None:
    s3 = S3(stage, "llm-calls")
    gateway = stage.gateway(HERE / "callback_s3_archive.yaml", S3_URL=s3.url, S3_ACCESS_KEY=s3.access_key, S3_SECRET_KEY=s3.secret_key)

    say("A call of a team.")
    team = gateway.call("POST", "/team/new", {"team_alias": "research"}).json["team_id"]
    key = gateway.make_key(team_id=team)
    reply = gateway.chat("What is the capital of France?", key=key)
    name = eventually(s3.keys, "an object is in the bucket")[0]
    claim(name.startswith("prod/research/") and name.endswith(".json"), "the bucket has one object, by team and day", name)
    stored = json.loads(s3.read(name))
    claim(stored["messages"][0]["content"] == "What is the capital of France?", "it holds the question")
    claim(stored["response"]["choices"][0]["message"]["content"] == reply.text, "and the answer", reply.text)
    claim(stage.master_key not in json.dumps(stored) and key not in json.dumps(stored), "and no key")

    say("The server hangs while three calls come.")
    s3.process.tell(signal.SIGSTOP)
    for n in range(3):
        claim(gateway.chat(f"What is {n} + {n}?", key=key).status == 200, f"call {n + 1} is answered")
    s3.process.tell(signal.SIGCONT)
    found = eventually(lambda: len(s3.keys()) >= 4 and s3.keys(), "all objects are in the bucket")
    claim(len(found) == 4, "it works again, and all four calls are in the bucket", len(found))


play(demonstrate, __doc__)
