"""Virtual keys as their holders use them: the OpenAI SDK calls, LiteLLM's management API tells what it cost."""

import json
import time
import urllib.parse
import urllib.request

import openai
import pytest
from openai import OpenAI

ALIAS = "oci-llama-4-maverick"
OTHER = "oci-cohere-command"
QUESTION = [{"role": "user", "content": "What is the capital of Italy?"}]


class Management:
    """The management API with the master key."""

    def __init__(self, gateway):
        self._gateway = gateway

    def call(self, method, path, body=None):
        request = urllib.request.Request(
            self._gateway.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": "Bearer " + self._gateway.key, "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=15) as reply:
            return json.load(reply)

    def key(self, **fields):
        return self.call("POST", "/key/generate", {"models": [ALIAS], "duration": "1h", **fields})["key"]

    def rows(self, key, want):
        """The rows of a key, once there are as many as wanted."""
        deadline = time.monotonic() + 10
        while True:
            rows = self.call("GET", "/spend/logs?api_key=" + urllib.parse.quote(key))
            if len(rows) >= want:
                return rows
            assert time.monotonic() < deadline, f"{len(rows)} rows of {want} calls"


@pytest.fixture
def management(gateway):
    return Management(gateway)


def holder(gateway, key):
    return OpenAI(base_url=gateway.url + "/v1", api_key=key, max_retries=0, timeout=30)


def test_a_call_is_a_row_more(gateway, management):
    key = management.key()
    before = len(management.rows(key, 0))
    reply = holder(gateway, key).chat.completions.create(model=ALIAS, messages=QUESTION, max_tokens=20)
    rows = management.rows(key, before + 1)
    assert len(rows) == before + 1
    last = rows[-1]
    assert last["request_id"] == reply.id
    assert last["total_tokens"] == reply.usage.total_tokens > 0
    assert last["model"].endswith("meta.llama-4-maverick-17b-128e-instruct-fp8")
    assert last["spend"] > 0


def test_a_stream_costs_what_the_same_call_costs_in_one_piece(gateway, management):
    key = management.key()
    client = holder(gateway, key)
    client.chat.completions.create(model=ALIAS, messages=QUESTION, max_tokens=20)
    for _ in client.chat.completions.create(model=ALIAS, messages=QUESTION, max_tokens=20, stream=True):
        pass
    whole, streamed = management.rows(key, 2)
    assert streamed["spend"] == whole["spend"] > 0


def test_rows_say_whose_they_are(gateway, management):
    key = management.key(metadata={"team": "team-alpha", "owner": "ada", "run": "72"}, max_budget=5)
    holder(gateway, key).chat.completions.create(model=ALIAS, messages=QUESTION, max_tokens=20)
    row = management.rows(key, 1)[-1]
    assert {"api_key", "request_tags", "metadata", "team_id"} <= row.keys()
    assert row["metadata"]["team"] == "team-alpha"
    keys = [k for k in management.call("GET", "/global/spend/keys") if k["api_key"] == row["api_key"]]
    assert keys[0]["total_spend"] > 0
    assert keys[0]["metadata"]["team"] == "team-alpha"


def test_spend_by_the_upstreams_name(gateway, management):
    key = management.key()
    holder(gateway, key).chat.completions.create(model=ALIAS, messages=QUESTION, max_tokens=20)
    management.rows(key, 1)
    models = {m["model"]: m["total_spend"] for m in management.call("GET", "/global/spend/models")}
    assert ALIAS not in models
    assert models["oci/meta.llama-4-maverick-17b-128e-instruct-fp8"] > 0


def test_a_spent_budget_is_a_rate_limit_error(gateway, management):
    client = holder(gateway, management.key(max_budget=1e-9))
    with pytest.raises(openai.RateLimitError, match="(?i)budget") as refused:
        for _ in range(2):
            client.chat.completions.create(model=ALIAS, messages=QUESTION, max_tokens=20)
    assert refused.value.type == "budget_exceeded"
    assert refused.value.response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("model", [OTHER, "exists-nowhere"])
def test_a_model_that_is_not_on_the_list(gateway, management, model):
    key = management.key()
    with pytest.raises(openai.PermissionDeniedError, match="(?i)allowed to access") as refused:
        holder(gateway, key).chat.completions.create(model=model, messages=QUESTION)
    assert refused.value.param == "model"
    (row,) = management.rows(key, 1)
    assert row["status"] == "failure"
    assert row["spend"] == 0


def test_a_blocked_key_is_an_authentication_error(gateway, management):
    key = management.key()
    client = holder(gateway, key)
    assert ALIAS in [m.id for m in client.models.list()]
    management.call("POST", "/key/block", {"key": key})
    with pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model=ALIAS, messages=QUESTION)
