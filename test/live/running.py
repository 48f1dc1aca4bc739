"""The gateway that the environment names, and the aliases of the sample, for the suites that need a running gateway.

LITELLM_GATEWAY_URL and LITELLM_GATEWAY_KEY say which gateway; without both, the whole suite is skipped.
"""

import os
import pathlib
from dataclasses import dataclass, field

import pytest
import yaml

SAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "oci" / "config.yaml"
DEFAULT_ALIAS = "oci-cohere-command"

# The vendors whose models answer without thinking first: what they are allowed to write is the answer alone.
PLAIN = ("cohere.", "meta.")

NEEDED = "LITELLM_GATEWAY_URL", "LITELLM_GATEWAY_KEY"


@dataclass(frozen=True)
class Gateway:
    """A running gateway and a key for it, which stays out of what a failure shows."""

    url: str
    key: str = field(repr=False)

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": "Bearer " + self.key}


@dataclass(frozen=True)
class Alias:
    """A name that callers use, and the id of the model behind it, empty where the sample does not say."""

    name: str
    upstream: str = ""

    @property
    def embeds(self) -> bool:
        return ".embed-" in self.upstream

    @property
    def max_tokens(self) -> int:
        """60 is the sample's own bound. A model that thinks first would spend that on its thoughts."""
        return 60 if self.upstream.startswith(PLAIN) else 2000

    def __str__(self) -> str:
        return self.name


def sample_aliases() -> list[Alias]:
    """What examples/oci/config.yaml serves, which is the one list of aliases that there is."""
    entries = yaml.safe_load(SAMPLE.read_text())["model_list"]
    return [Alias(e["model_name"], e["litellm_params"]["model"].removeprefix("oci/")) for e in entries]


def chat_aliases() -> list[Alias]:
    """The alias of LITELLM_GATEWAY_MODEL alone, else every chat alias of the sample."""
    sample = {a.name: a for a in sample_aliases() if not a.embeds}
    chosen = os.environ.get("LITELLM_GATEWAY_MODEL")
    return [sample.get(chosen, Alias(chosen))] if chosen else list(sample.values())


def embedding_aliases() -> list[Alias]:
    """The embedding aliases of the sample; none where LITELLM_GATEWAY_MODEL chooses a chat alias."""
    return [] if os.environ.get("LITELLM_GATEWAY_MODEL") else [a for a in sample_aliases() if a.embeds]


def running() -> Gateway:
    """The gateway of the environment, without a slash at the end of its URL."""
    url, key = (os.environ[name] for name in NEEDED)
    return Gateway(url.rstrip("/"), key)


def skip_without_a_gateway(items: list[pytest.Item]) -> None:
    """Skip every test where the environment names no gateway."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        reason = f"needs a running gateway: {' and '.join(missing)} not set"
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))


def leave_out_other_clients_settings() -> None:
    """Take what would lead an OpenAI client elsewhere out of the environment, and keep loopback out of proxies."""
    for name in [n for n in os.environ if n.startswith(("OPENAI_", "LOCUS_"))]:
        del os.environ[name]
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1", "localhost"]))
