"""A real service and a real browser for the page's tests, shared by the tests of a file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from personsearch.demo import demo_folder
from tests.serve.page.support import ARGUMENTS, CHROMIUM, TOKEN, Visit, missing


@contextmanager
def serving(folder: Path, *arguments: object, token: str = "") -> Iterator[str]:
    """Run ``personsearch serve`` on a free port of loopback; yield its address."""
    folder.mkdir(parents=True, exist_ok=True)
    own = {"TMPDIR": str(folder), "COLUMNS": "300", "OMP_NUM_THREADS": "2", "PERSONSEARCH_TOKEN": token}
    command = [sys.executable, "-m", "personsearch", "serve", *map(str, arguments), "--port", "0", "--device", "cpu"]
    with (folder / "errors.txt").open("wb") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **own}, start_new_session=True
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


@dataclass(frozen=True)
class Demo:
    """A service with the bundled scenes behind a token."""

    address: str
    gallery: Path
    cookies: list[dict[str, str]]

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the service as a program does, with the token."""
        data = json.dumps(body).encode() if body else None
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
        with urlopen(Request(self.address + path, data, headers)) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The service with the bundled scenes."""
    if missing():
        pytest.skip(missing())
    folder = tmp_path_factory.mktemp("demo")
    with serving(folder, "--demo", token=TOKEN) as address:
        [gallery] = folder.glob("personsearch-demo-*/demo")
        data = json.dumps({"token": TOKEN}).encode()
        with urlopen(Request(f"{address}api/session", data, {"Content-Type": "application/json"})) as answer:
            name, value = answer.headers["Set-Cookie"].split(";")[0].split("=", 1)
        yield Demo(address, gallery, [{"name": name, "value": value, "url": address}])


@pytest.fixture(scope="module")
def somebody(demo: Demo) -> int:
    """A detection of somebody of whom the gallery has several pictures that look alike."""
    covers = [one["cover"]["detection_id"] for one in demo.ask("api/people?limit=3")["people"]]
    found = {one: demo.ask("api/search", {"detection": one, "k": 4})["matches"] for one in covers}
    return max(covers, key=lambda one: float(found[one][3]["similarity"]))


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
def visit(visits: Any, demo: Demo) -> Any:
    """Open a page of the demo's service, signed in."""

    def go(where: str = "", **options: Any) -> Visit:
        return visits(demo.address, where, cookies=demo.cookies, **options)

    return go


@pytest.fixture(scope="session")
def scenes() -> list[Path]:
    """The bundled scenes: synthetic people."""
    return sorted(demo_folder().glob("*.jpg"))
