#!/usr/bin/env python3
"""Metrics, by a real Prometheus that scrapes the gateway: what a dashboard made for LiteLLM asks for is there."""

from backends import Prometheus
from stage import HERE, Stage, ask, claim, claim_soon, eventually, play, say


def demonstrate(stage: Stage) -> None:
    gateway = stage.gateway(HERE / "telemetry_prometheus.yaml")
    say("Who may read the metrics.")
    claim(ask(gateway.url + "/metrics").status == 401, "without a key /metrics answers 401, because the file says so", 401)
    prometheus = Prometheus(stage, gateway)

    say("Calls of a team: two that are answered, one from the cache, one that fails.")
    team = gateway.call("POST", "/team/new", {"team_alias": "research"}).json["team_id"]
    key = gateway.make_key(team_id=team, key_alias="laptop")
    replies = [gateway.chat(text, key=key) for text in ("What is 2 + 2?", "What is 3 + 3?", "What is 2 + 2?")]
    stage.simulator.fault(op="chat", status=400, code="InvalidParameter", message="no")
    gateway.chat("What is 4 + 4?", key=key)
    stage.simulator.mend()
    cost = sum(r.cost for r in replies)

    say("What Prometheus knows of them after its next scrape.")
    who = 'requested_model="oci-cohere-command",team_alias="research",api_key_alias="laptop"'
    requests = f"sum(litellm_proxy_total_requests_metric_total{{{who}}})"
    claim_soon(lambda: prometheus.value(requests) == 4, "litellm_proxy_total_requests_metric_total, by model, team and key", 4)
    for query, wanted in (
        (f"sum(litellm_proxy_failed_requests_metric_total{{{who}}})", 1),
        ('sum(litellm_cache_hits_metric_total{team_alias="research"})', 1),
        (f"sum(litellm_request_total_latency_metric_count{{{who}}})", 3),
    ):
        claim((found := prometheus.value(query)) == wanted, query.split("(")[-1].split("{")[0], found)
    spent = prometheus.value('sum(litellm_spend_metric_total{api_key_alias="laptop"})')
    claim(abs(spent - cost) < 1e-9, "litellm_spend_metric_total is what the callers were told", spent)
    tokens = prometheus.value('sum(litellm_total_tokens_metric_total{api_key_alias="laptop"})')
    claim(tokens > 0, "litellm_total_tokens_metric_total", tokens)
    claim(prometheus.value("up") == 1, "and the scrape is well", "up = 1")

    say("The alerts in deploy/.")
    alerts = eventually(prometheus.alerts, "Prometheus has evaluated the alerts")
    claim(len(alerts) > 5, "Prometheus evaluates the alerts of deploy/prometheus/alerts.yml", f"{len(alerts)} alerts")


play(demonstrate, __doc__)
