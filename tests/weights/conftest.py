"""A Hub on the loopback address, and calls of the package's functions in processes whose Hub client talks to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from personsearch import PersonSearcher
from personsearch.weights.files import folder_contents
from tests.weights import children
from tests.weights.children import Child, Result
from tests.weights.hub_server import Hub


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        yield server


@pytest.fixture
def settings(hub: Hub, tmp_path: Path) -> dict[str, str]:
    """Return the environment in which the Hub client talks to the test's server and has an empty cache."""
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


@pytest.fixture
def child(settings: dict[str, str]) -> Child:
    def run(function: Callable[..., Result], *arguments: object, **environment: str) -> Result:
        return children.run(function, *arguments, environment={**settings, **environment})

    return run


@pytest.fixture
def pull(child: Child) -> Child:
    def run(name: str, environment: dict[str, str] | None = None, **options: object) -> Result:
        return child(children.pull, name, options, **(environment or {}))

    return run


@pytest.fixture
def weights(tiny_searcher: PersonSearcher) -> dict[str, bytes]:
    return folder_contents(tiny_searcher.config, tiny_searcher.network.state_dict())
