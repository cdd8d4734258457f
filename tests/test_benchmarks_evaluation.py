import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_benchmark_measures_both_sets_and_any_preset() -> None:
    command = [sys.executable, ROOT / "benchmarks/evaluation.py", "--shares", "0.01", "--dim", "64"]
    done = subprocess.run([*command, "--presets", "strict"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if "| 0.01 |" in line]
    assert [row[0] for row in rows] == ["| PRW", "| CUHK-SYSU, gallery 4,000"]
    for row in rows:
        assert row[4].startswith("strict (")
        assert 0 < float(row[-1].rstrip(" |")) <= 1
