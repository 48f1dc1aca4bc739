"""Parametrises the tests: `alias` is each chat alias of the sample."""

from collections.abc import Callable

import pytest
import running
from locus.models.native.openai import OpenAIModel


def pytest_configure() -> None:
    running.leave_out_other_clients_settings()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "alias" in metafunc.fixturenames:
        metafunc.parametrize("alias", running.chat_aliases(), ids=str)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    running.skip_without_a_gateway(items)


@pytest.fixture
def gateway() -> running.Gateway:
    return running.running()


@pytest.fixture
def model_of(gateway: running.Gateway) -> Callable[..., OpenAIModel]:
    """Makes Locus's model class on an alias. Locus wants the address without /v1."""

    def make(alias: running.Alias, key: str = gateway.key, **options: object) -> OpenAIModel:
        # What is left out here Locus fills in itself: temperature 0.7 and top_p 0.9, whatever the model takes.
        settings = {"max_tokens": 2000, **options}
        return OpenAIModel(model=alias.name, api_key=key, base_url=gateway.url, **settings)

    return make
