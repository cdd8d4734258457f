"""A real service and a real browser for the page's tests, shared by the tests of a file."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from personsearch.demo import demo_folder
from tests.serve.page.support import ARGUMENTS, CHROMIUM, TOKEN, Visit, missing


@contextmanager
def serving(folder: Path, *arguments: object) -> Iterator[str]:
    """Run ``personsearch serve`` on a free port of loopback; yield its address."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(folder), "COLUMNS": "300", "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-m", "personsearch", "serve", *map(str, arguments), "--port", "0", "--device", "cpu"]
    with (folder / "errors.txt").open("wb") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment, start_new_session=True
        )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        address = next((word for word in said.split() if word.startswith("http://")), None)
        assert address, said + (folder / "errors.txt").read_text()
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The service with the bundled scenes, and the folder of its gallery; nothing writes to it."""
    if missing():
        pytest.skip(missing())
    folder = tmp_path_factory.mktemp("demo")
    with serving(folder, "--demo") as address:
        [gallery] = folder.glob("personsearch-demo-*/demo")
        yield address, gallery


@pytest.fixture(scope="module")
def somebody(demo: tuple[str, Path]) -> int:
    """A detection of somebody of whom the gallery has several pictures that look alike."""

    def ask(path: str, body: dict[str, int] | None = None) -> Any:
        data = json.dumps(body).encode() if body else None
        request = Request(demo[0] + path, data, {"Content-Type": "application/json"})
        with urlopen(request) as answer:
            return json.load(answer)

    covers = [one["cover"]["detection_id"] for one in ask("api/people?limit=3")["people"]]
    fourth = {one: ask("api/search", {"detection": one, "k": 4})["matches"][3]["similarity"] for one in covers}
    return max(fourth, key=lambda one: fourth[one])


@pytest.fixture(scope="module")
def copied(demo: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service with a copy of that gallery to write to, behind a token."""
    folder = tmp_path_factory.mktemp("copied")
    shutil.copytree(demo[1], folder / "gallery")
    (folder / "token").write_text(TOKEN)
    with serving(folder / "run", folder / "gallery", "--token-file", folder / "token") as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if missing():
        pytest.skip(missing())
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def visits(browser: Any) -> Iterator[Any]:
    """Open pages; at the end none of them may have asked another origin, broken its policy, or complained."""
    opened: list[Visit] = []

    def visit(address: str, where: str = "", **options: Any) -> Visit:
        one = Visit(browser, address, where, **options)
        opened.append(one)
        return one

    yield visit
    complaints = [complaint for one in opened for complaint in one.complaints()]
    for one in opened:
        one.close()
    assert not complaints


@pytest.fixture
def visit(visits: Any, demo: tuple[str, Path]) -> Any:
    """Open a page of the demo's service."""

    def go(where: str = "", **options: Any) -> Visit:
        return visits(demo[0], where, **options)

    return go


@pytest.fixture(scope="session")
def scenes() -> list[Path]:
    """The bundled scenes: synthetic people."""
    return sorted(demo_folder().glob("*.jpg"))
