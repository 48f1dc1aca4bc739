"""Parametrises the checks: `alias` is each chat alias, `embedder` each embedding alias."""

import pytest
import running


def pytest_configure() -> None:
    running.leave_out_other_clients_settings()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for name, aliases in (("alias", running.chat_aliases), ("embedder", running.embedding_aliases)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, aliases(), ids=str)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    running.skip_without_a_gateway(items)


@pytest.fixture(scope="session")
def gateway() -> running.Gateway:
    return running.running()
