"""Cost companion: two teams with a virtual key each, and what their calls cost.

The program knows the gateway's address and a key that may manage keys. It holds no cloud credential. The keys that it
makes end after an hour, may spend 5 dollars, and are deleted when it ends.
"""

import asyncio
import os
import secrets
import sys
import time

import httpx
import openai
from locus.core.messages import Message
from locus.models.base import ModelResponse
from locus.models.native.openai import OpenAIModel

BANNER = """\
Cost companion: two teams, their keys, and what their calls cost.

  costs.py  -- master key -->   gateway: makes the keys, reads the ledger
            -- virtual keys --> gateway  -- signed by OCI's rules -->  OCI Generative AI

  LITELLM_GATEWAY_URL      {url}
  LITELLM_MASTER_KEY       {key}
  LITELLM_GATEWAY_MODEL    {a}
  LITELLM_GATEWAY_MODEL_B  {b}
"""
HOW_TO = """\
Not set: {missing}. Nothing was called. For example:

  export LITELLM_GATEWAY_URL=http://127.0.0.1:4000
  export LITELLM_MASTER_KEY=sk-...    # or the key of an administrator; LITELLM_GATEWAY_KEY is read too
"""


def main() -> int:
    url = os.environ.get("LITELLM_GATEWAY_URL", "").rstrip("/")
    key = os.environ.get("LITELLM_MASTER_KEY") or os.environ.get("LITELLM_GATEWAY_KEY", "")
    a = os.environ.get("LITELLM_GATEWAY_MODEL") or "oci-cohere-command"
    b = os.environ.get("LITELLM_GATEWAY_MODEL_B") or "oci-llama-4-maverick"
    print(BANNER.format(url=url or "not set", key="set" if key else "not set", a=a, b=b))
    missing = [n for n, v in (("LITELLM_GATEWAY_URL", url), ("LITELLM_MASTER_KEY", key)) if not v]
    if missing:
        print(HOW_TO.format(missing=", ".join(missing)), end="")
        return 0
    gateway = Gateway(url, key)
    status = 130
    try:
        status = attempt(run, gateway, a, b)
    except KeyboardInterrupt:
        print("costs: interrupted", file=sys.stderr)
    finally:
        status = attempt(gateway.delete_keys) or status
    return status


class Failure(Exception):
    """What went wrong, in one line for a person."""


def attempt(step, *arguments) -> int:
    """Run a step. A failure is told in one line and becomes the exit status 1."""
    try:
        step(*arguments)
    except Failure as failure:
        print(f"costs: {failure}", file=sys.stderr)
        return 1
    return 0


class Gateway:
    """The gateway as its operator uses it."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self._http = httpx.Client(headers={"Authorization": "Bearer " + key}, timeout=15)
        self._made: list[str] = []

    def call(self, method: str, path: str, **options):
        """Call a management route and return its JSON."""
        try:
            reply = self._http.request(method, self.url + path, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Failure(f"no gateway answers at {self.url}: {error}") from error
        try:
            body = reply.json()
        except ValueError:
            body = None
        if not reply.is_success or body is None:
            raise Failure(f"{method} {path} answered {reply.status_code}: {text_of(body) or reply.reason_phrase}")
        return body

    def models(self) -> list[str]:
        """The aliases, in 5 seconds at most."""
        try:
            return [model["id"] for model in self.call("GET", "/v1/models", timeout=5)["data"]]
        except (KeyError, TypeError) as error:
            raise Failure(f"{self.url}/v1/models is no list of models; is this a gateway?") from error

    def make_key(self, models: list[str], metadata: dict[str, str]) -> str:
        """Make a virtual key for an hour and 5 dollars."""
        body = {"models": models, "max_budget": 5, "duration": "1h", "metadata": metadata}
        key = self.call("POST", "/key/generate", json=body)["key"]
        self._made.append(key)
        return key

    def delete_keys(self) -> None:
        """Delete the keys that were made."""
        if not self._made:
            return
        try:
            self.call("POST", "/key/delete", json={"keys": self._made})
        except Failure as failure:
            raise Failure(f"the keys end in an hour, since they could not be deleted: {failure}") from failure
        print(f"\ndeleted {len(self._made)} keys")

    def rows(self, key: str) -> list[dict]:
        """The ledger's rows of a key, the oldest first."""
        return self.call("GET", "/spend/logs", params={"api_key": key})


def text_of(body) -> str:
    """The message of an error in OpenAI's shape, in one line."""
    try:
        return " ".join(body["error"]["message"].split())
    except (KeyError, TypeError, AttributeError):
        return ""


def run(gateway: Gateway, a: str, b: str) -> None:
    models = gateway.models()
    print(f"models: {', '.join(models)}\n")
    for alias in (a, b):
        if alias not in models:
            raise Failure(f"the gateway has no model {alias}")

    print("two keys, each for an hour and 5 dollars:")
    label = {"owner": "cost companion", "run": secrets.token_hex(4)}
    keys = {}
    for team, allowed in (("team-alpha", [a]), ("team-beta", [a, b])):
        keys[team] = gateway.make_key(allowed, {"team": team, **label})
        print(f"  {team:<11} sk-...{keys[team][-4:]}  {', '.join(allowed)}")
    print()

    calls = {
        "team-alpha": [(a, "What is the capital of Japan?"), (a, "What is 7 x 8?"), (a, "Say hello.")],
        "team-beta": [(a, "What is the capital of Norway?"), (b, "What is 6 x 9?")],
    }
    for team, prompts in calls.items():
        for alias, prompt in prompts:
            prompt_model(gateway.url, team, keys[team], alias, prompt)
    show_refusal(gateway.url, "team-alpha", keys["team-alpha"], b)

    # The refusal is in the ledger too.
    expected = {team: len(prompts) + (team == "team-alpha") for team, prompts in calls.items()}
    for team, rows in await_rows(gateway, keys, expected).items():
        print(f"\nrows of {team}")
        for row in rows:
            show_row(row)
    show_aggregates(gateway, label["run"])


def prompt_model(url: str, team: str, key: str, alias: str, prompt: str) -> None:
    """Ask a model by a team's key and print its answer."""
    print(f"{team} > {alias}: {prompt}")
    try:
        response = asyncio.run(complete(url, key, alias, prompt))
    except openai.OpenAIError as error:
        raise Failure(f"the gateway refused the prompt: {error}") from error
    total = response.usage["prompt_tokens"] + response.usage["completion_tokens"]
    print(f"  {response.message.content or '(no text within 30 tokens)'}  ({total} tokens)")


def show_refusal(url: str, team: str, key: str, alias: str) -> None:
    """Show that a key does not reach a model that is not on its list."""
    print(f"{team} > {alias}: may I?")
    try:
        asyncio.run(complete(url, key, alias, "May I?"))
    except openai.APIStatusError as error:
        print(f"  refused with {error.status_code}: {text_of({'error': error.body}) or error.message}\n")
    except openai.OpenAIError as error:
        raise Failure(f"no answer to {team}: {error}") from error
    else:
        raise Failure(f"{team} reached {alias}, which is not on its key's list")


async def complete(url: str, key: str, alias: str, prompt: str) -> ModelResponse:
    """Ask a model by a Locus model, which wants the address without /v1."""
    model = OpenAIModel(model=alias, api_key=key, base_url=url, max_tokens=30)
    try:
        return await model.complete([Message.user(prompt)])
    finally:
        await model.close()


def await_rows(gateway: Gateway, keys: dict[str, str], expected: dict[str, int]) -> dict[str, list[dict]]:
    """Wait until the ledger has every call, for LITELLM_SPEND_FLUSH_WAIT seconds at most."""
    try:
        patience = float(os.environ.get("LITELLM_SPEND_FLUSH_WAIT") or 15)
    except ValueError as error:
        raise Failure("LITELLM_SPEND_FLUSH_WAIT is no number of seconds") from error
    start = time.monotonic()
    while True:
        rows = {team: gateway.rows(key) for team, key in keys.items()}
        waited = time.monotonic() - start
        if all(len(rows[team]) >= n for team, n in expected.items()):
            print(f"the ledger has all {sum(expected.values())} calls after {waited:.1f} s")
            return rows
        if waited > patience:
            have = sum(len(r) for r in rows.values())
            raise Failure(f"the ledger has {have} of {sum(expected.values())} calls after {waited:.0f} s")
        time.sleep(0.5)


def show_row(row: dict) -> None:
    team = (row.get("metadata") or {}).get("team", "?")
    status, tokens = row.get("status", "?"), row.get("total_tokens", 0)
    print(f"  {team:<11} {status:<8} {row.get('model', ''):<52} {tokens:>4} tokens  {dollars(row.get('spend'))} USD")


def show_aggregates(gateway: Gateway, run_id: str) -> None:
    """Print the spend of this run's keys, and of every model that the gateway has called in 30 days."""
    print("\nspend by key (this run)")
    for row in gateway.call("GET", "/global/spend/keys"):
        metadata = row.get("metadata") or {}
        if metadata.get("run") == run_id:
            print(f"  {metadata.get('team', '?'):<11} {dollars(row['total_spend'])} USD")
    print("\nspend by model (all keys)")
    for row in gateway.call("GET", "/global/spend/models"):
        print(f"  {row['model']:<52} {dollars(row['total_spend'])} USD")


def dollars(amount: float | None) -> str:
    return f"{amount or 0:.8f}"


if __name__ == "__main__":
    sys.exit(main())
