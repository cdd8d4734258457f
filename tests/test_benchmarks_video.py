"""The benchmark of videos runs, finds the same frames both ways, and says what it compares; never how fast."""

import subprocess
import sys
from pathlib import Path

from personsearch.models import ModelConfig, build
from personsearch.weights.files import save_folder

ROOT = Path(__file__).parents[1]


def test_the_benchmark_of_videos_measures_each_way(tmp_path: Path, tiny_config: ModelConfig) -> None:
    weights = save_folder(tmp_path / "weights", tiny_config, build(tiny_config).state_dict())
    arguments = ["--sizes", "160x96", "--frames", "60", "--times", "4", "--every", "30", "--turns", "1"]
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "video.py", *arguments, "--weights", weights, "--real", "none.mp4"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "none.mp4: no such file; left out" in done.stdout
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines() if line[:1] == "|"
    ]
    table = {row[0]: row[1:] for row in rows}
    assert table["160x96"][0] == "60"
    assert [row[1] for row in rows if row[0] == "160x96, 30"] == ["2", "2"]  # stored, and stored again
    frames, sought, start, _ = table["160x96, one in the last tenth"]
    assert frames == "240"
    counts = [int(side.split(", ")[1]) for side in (sought, start)]
    assert counts[0] < 70 < 200 < counts[1]
