"""The benchmarks run, and say what they promise; never how fast."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_speed_keeps_network_decoded_and_encoded_apart() -> None:
    arguments = ["--sizes", "160x96", "--presets", "stl-mrfp-small", "--warmup", "1", "--repeats", "3", "--people", "3"]
    rows = [
        json.loads(line)
        for line in run("speed.py", *arguments, "--batch", "2", "--device", "cpu", "--json").split("\n")
        if line
    ]
    assert [row["what"] for row in rows] == ["network", "decoded", "encoded"]
    for row in rows:
        assert row["images_per_s"] > 0
        assert row["p95_ms"] >= row["median_ms"]
        assert (row["batch"], row["people"], row["dtype"], row["paper_images_per_s"]) == (2, 3, "float32", None)
        assert {"cpu", "torch", "date"} <= row.keys()
    table = run("speed.py", *arguments, "--device", "cpu")
    assert "| stl-mrfp-small | 160x96 | network | cpu, float32 | 1 |" in table


def test_the_gallery_s_costs() -> None:
    told = run("gallery.py", "--people", "4000", "--dim", "16")
    for line in ("scenes of 8 people added a second", "numpy: one query", "exact, FAISS: one query", "erased in"):
        assert line in told
