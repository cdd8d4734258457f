"""The plan of the benchmark of indexing on Ray, by hand; and the benchmark runs; never how fast."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.ray_ingest import Costs, plan, plan_table
from personsearch.models import ModelConfig, build
from personsearch.weights.files import save_folder

ROOT = Path(__file__).parents[1]
#: 10 frames/s on one core; 1 ms to collect and store each.
COSTS = Costs(
    decode=20.0,
    network=80.0,
    unpack=0.25,
    account=0.01,
    write=0.75,
    picture_bytes=100_000.0,
    answer_bytes=8_000.0,
    people=6.0,
)


def test_a_plan_by_hand() -> None:
    one = plan(COSTS, 10)
    assert (one.frames, one.writers, one.runs) == (100.0, 0, 1)
    assert one.driver == one.collecting == pytest.approx(0.1)
    assert (one.read, one.answers) == (10_000_000.0, 800_000.0)
    many = plan(COSTS, 1000)  # 10,000 frames/s: 10 cores to store, 0.1 to collect
    assert (many.frames, many.writers, many.runs) == (10_000.0, 15, 1)
    assert (many.driver, many.collecting) == (pytest.approx(10.0), pytest.approx(0.1))
    gpus = plan(COSTS, 1000, frames_a_worker=300.0)  # 300,000 frames/s: 300 cores to store, 3 to collect
    assert (gpus.writers, gpus.runs) == (429, 5)


def test_the_table_has_a_row_for_each_number_of_workers() -> None:
    rows = [line.split(" | ") for line in plan_table(COSTS).splitlines()[2:]]
    assert [row[0] for row in rows] == ["| 1", "| 2", "| 10", "| 100", "| 1,000"]
    assert rows[-1][1:5] == ["10,000.0", "864.0 million", "10.00", "15"]


@pytest.mark.slow
def test_the_benchmark_runs(tmp_path: Path, tiny_config: ModelConfig) -> None:
    weights = save_folder(tmp_path / "weights", tiny_config, build(tiny_config).state_dict())
    arguments = ["--pictures", "64", "--steps", "4", "--turns", "1", "--size", "160x96", "--gallery", "lance"]
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "ray_ingest.py", *arguments, "--weights", weights],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "160x96, " in lines[0]
    steps = {line.split(" | ")[0][2:]: float(line.split(" | ")[1]) for line in lines[5:10]}
    assert list(steps) == [
        "read, decode, resize",
        "network",
        "answer taken apart",
        "answer of a writer taken apart",
        "stored in lance://",
    ]
    assert all(value > 0 for value in steps.values())
    assert any(line.startswith("2 workers / 1 worker: ") for line in lines)
    assert sum(line.startswith("| 1,000 |") for line in lines) == 2
