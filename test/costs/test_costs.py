"""What every call costs, whose it was, and what a key may not do: the checks of Locus's gateway guide. They need the
gateway's master key, and a gateway with a database."""

import os

import pytest
from conftest import Costs
from running import DEFAULT_ALIAS

ALIAS = os.environ.get("LITELLM_GATEWAY_MODEL") or DEFAULT_ALIAS
OTHER = os.environ.get("LITELLM_GATEWAY_MODEL_B") or "oci-llama-4-maverick"


def spent(costs: Costs) -> str:
    """A key that made one call, whose row is in the log."""
    key = costs.key(models=[ALIAS])
    reply = costs.chat(key, ALIAS)
    assert reply.status_code == 200, reply.text
    assert costs.flushed(lambda: bool(costs.rows(key))), "the call is not in the spend log"
    return key


def test_log_grows_with_a_call(costs: Costs) -> None:
    key = costs.key(models=[ALIAS])
    before = len(costs.rows(key))
    reply = costs.chat(key, ALIAS)
    assert reply.status_code == 200, reply.text
    assert costs.flushed(lambda: len(costs.rows(key)) >= before + 1)


def test_row_has_model_tokens_and_spend(costs: Costs) -> None:
    row = costs.rows(spent(costs))[-1]
    assert row["model"]
    assert row["total_tokens"] > 0
    assert row["spend"] > 0


def test_row_has_the_fields_of_attribution(costs: Costs) -> None:
    row = costs.rows(spent(costs))[-1]
    assert {"api_key", "request_tags", "metadata", "team_id"} <= row.keys()


def test_spend_by_key(costs: Costs) -> None:
    spent(costs)
    assert costs.flushed(lambda: any(k["total_spend"] > 0 for k in costs.report("/global/spend/keys")))


def test_spend_by_model_names_the_upstream(costs: Costs) -> None:
    spent(costs)
    assert costs.flushed(lambda: any(m["total_spend"] > 0 for m in costs.report("/global/spend/models")))
    assert ALIAS not in [m["model"] for m in costs.report("/global/spend/models")]


def test_a_spent_budget_refuses(costs: Costs) -> None:
    key = costs.key(models=[ALIAS], max_budget=1e-9)
    for call in range(1, 7):
        reply = costs.chat(key, ALIAS)
        if reply.status_code == 429 or (reply.status_code >= 400 and "budget" in reply.text.lower()):
            return
        assert reply.status_code == 200, reply.text
        costs.flushed(lambda call=call: len(costs.rows(key)) >= call)
    pytest.fail("six calls went through on a budget of 1e-9")


@pytest.mark.parametrize("model", [OTHER, "exists-nowhere"])
def test_a_model_that_is_not_on_the_keys_list_is_refused(costs: Costs, model: str) -> None:
    reply = costs.chat(costs.key(models=[ALIAS]), model)
    assert reply.status_code >= 400
    assert "allowed to access" in reply.text.lower()
