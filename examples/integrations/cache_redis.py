#!/usr/bin/env python3
"""Cache in Redis: two gateways share it, two teams do not, and without Redis calls go on."""

from backends import Redis
from stage import HERE, Stage, claim, claim_soon, play, say

QUESTION = "What is the capital of Greece?"


def demonstrate(stage: Stage) -> None:
    redis = Redis(stage)
    # Each gateway has a database of its own here, so a team is made in both, with one name.
    one, two = (stage.gateway(HERE / "cache_redis.yaml", name, REDIS_CACHE_URL=redis.url) for name in ("gateway-one", "gateway-two"))
    keys = {}
    for gateway in (one, two):
        for team in ("red", "blue"):
            gateway.call("POST", "/team/new", {"team_id": team, "team_alias": team})
            keys[gateway, team] = gateway.make_key(team_id=team)

    say("Team red asks the first gateway, then the second.")
    claim(not one.chat(QUESTION, key=keys[one, "red"]).hit, "the first asks the model")
    look = {"no-store": True}
    claim_soon(lambda: two.chat(QUESTION, key=keys[two, "red"], cache=look).hit, "the second has a hit, although it has never asked")

    say("Team blue asks the same.")
    claim(not two.chat(QUESTION, key=keys[two, "blue"]).hit, "it does not get red's answer")

    say("Redis goes away.")
    redis.process.end()
    replies = [one.chat(f"What is {n} + 3?", key=keys[one, "red"]) for n in range(3)]
    texts = [r.text for r in replies]
    claim(texts == ["3", "4", "5"] and not any(r.hit for r in replies), "calls are answered by the model", texts)

    say("Redis comes back, empty.")
    redis.process.start()
    claim_soon(lambda: one.chat(QUESTION, key=keys[one, "red"]).hit, "there are hits again")


play(demonstrate, __doc__)
