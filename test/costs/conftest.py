"""The management API as the checks use it, and keys that are deleted again."""

import os
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
import running

FLUSH_WAIT = float(os.environ.get("LITELLM_SPEND_FLUSH_WAIT") or 15)


def pytest_configure() -> None:
    running.leave_out_other_clients_settings()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    running.skip_without_a_gateway(items)


class Costs:
    """A gateway, asked with its master key, and called with the keys that are made here."""

    def __init__(self, gateway: running.Gateway) -> None:
        self._gateway = gateway
        self._keys: list[str] = []

    def key(self, **fields: object) -> str:
        """Make a key that lives an hour."""
        body = {"duration": "1h", "metadata": {"team": "cost-checks"}, **fields}
        reply = self._manage("POST", "/key/generate", json=body)
        self._keys.append(reply["key"])
        return reply["key"]

    def chat(self, key: str, alias: str) -> httpx.Response:
        """Ask one short question."""
        body = {
            "model": alias,
            "messages": [{"role": "user", "content": "What is the capital of Japan? Answer in one word."}],
            "max_tokens": 20,
        }
        bearer = {"Authorization": "Bearer " + key}
        return httpx.post(self._gateway.url + "/v1/chat/completions", headers=bearer, json=body, timeout=30)

    def rows(self, key: str) -> list[dict]:
        """The rows of the spend log of a key, oldest first."""
        return self._manage("GET", "/spend/logs", params={"api_key": key})

    def report(self, path: str) -> list[dict]:
        return self._manage("GET", path)

    def flushed(self, condition: Callable[[], bool]) -> bool:
        """Whether the condition holds within the time that a call may take to reach the log."""
        deadline = time.monotonic() + FLUSH_WAIT
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.25)
        return True

    def delete_keys(self) -> None:
        if self._keys:
            self._manage("POST", "/key/delete", json={"keys": self._keys})

    def _manage(self, method: str, path: str, **request: object):
        reply = httpx.request(method, self._gateway.url + path, headers=self._gateway.bearer, timeout=15, **request)
        assert reply.is_success, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json()


@pytest.fixture
def costs() -> Iterator[Costs]:
    world = Costs(running.running())
    yield world
    world.delete_keys()
