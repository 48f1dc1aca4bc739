#!/usr/bin/env python3
"""tollgate check and /health/services: each integration is tried with a harmless call, and what is broken is told with its remedy."""

import json

from backends import Recorders, Redis
from stage import HERE, Stage, claim, play, say


def demonstrate(stage: Stage) -> None:
    recorders, redis = Recorders(stage, "lakera", "datadog"), Redis(stage)
    lakera, datadog = recorders["lakera"], recorders["datadog"]
    right = {
        "REDIS_CACHE_URL": redis.url,
        "LAKERA_API_KEY": lakera.key,
        "LAKERA_URL": lakera.url,
        "DD_API_KEY": datadog.key,
        "DD_SITE": "datadoghq.eu",
        "DATADOG_URL": datadog.url,
    }

    def check(**broken):
        """Run `tollgate check` and show what it says."""
        ran = stage.tollgate("check", HERE / "check.yaml", **right | broken)
        print("    " + ran.stdout.strip().replace(str(HERE) + "/", "").replace("\n", "\n    "))
        return ran

    say("tollgate check, with everything right:")
    ran = check()
    claim(ran.returncode == 0 and "FAILS" not in ran.stdout, "all answer, status 0")
    left = [log["message"] for log in datadog.taken["logs"]]
    claim(len(left) == 1, "Datadog, which can be tried in no other way, got one log", left[0])

    say("With the key of somebody else for Lakera:")
    ran = check(LAKERA_API_KEY="not-the-key")
    claim(ran.returncode == 1 and "lakera" in ran.stdout and "401" in ran.stdout, "it says which, and that the key is refused; status 1")
    claim("not-the-key" not in ran.stdout + ran.stderr, "without repeating the key")
    lakera.forgive()

    say("With a Redis that is not there:")
    ran = check(REDIS_CACHE_URL="redis://127.0.0.1:1")
    claim(ran.returncode == 1 and "127.0.0.1:1" in ran.stdout, "it says where nobody answers; status 1")

    say("A running gateway, asked for /health/services.")
    gateway = stage.gateway(HERE / "check.yaml", **right)
    for service in ("lakera", "oci-guard", "datadog"):
        reply = gateway.call("GET", f"/health/services?service={service}")
        claim(reply.status == 200, f"{service} is well", json.dumps(reply.json)[:100])
    recorders.end()
    reply = gateway.call("GET", "/health/services?service=lakera")
    claim(reply.status >= 400, "with the vendors gone, lakera is not", reply.body.decode()[:200])
    claim(gateway.chat("What is the capital of Italy?").text == "Rome.", "and calls that do not need it are answered", "Rome.")


play(demonstrate, __doc__)
