"""Fixtures that every test may use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# One thread, here and in the processes that tests start: two test files run at a time, and torch's threads would wait
# for each other.
os.environ["OMP_NUM_THREADS"] = "1"
# A console that is made where this is set keeps that width; tests give each command a width of its own.
os.environ.pop("COLUMNS", None)

import pytest
import torch

import personsearch.cli.common  # noqa: F401 - makes the consoles
from personsearch import PersonSearcher
from personsearch.models import ModelConfig, build
from tests.support import TINY, Done, Run, toy_set


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_config() -> ModelConfig:
    return ModelConfig.model_validate(TINY)


@pytest.fixture
def tiny_searcher(tiny_config: ModelConfig) -> PersonSearcher:
    torch.manual_seed(0)
    return PersonSearcher(build(tiny_config), device="cpu")


@pytest.fixture(scope="session")
def searcher() -> PersonSearcher:
    """The weights inside the package, on the CPU."""
    return PersonSearcher.from_pretrained(device="cpu")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte; skips where none can be mounted."""
    mount = tmp_path / "disk"
    mount.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", mount], check=True)


@pytest.fixture
def toy_annotations(tmp_path: Path) -> Path:
    return toy_set(tmp_path / "toy")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call the command line in this process."""
    from personsearch.cli import main

    def call(*arguments: object, columns: int = 200) -> Done:
        monkeypatch.setattr(sys, "argv", ["personsearch", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", str(columns))
        code = 0
        try:
            main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        return Done(code, *capsys.readouterr())

    return call
