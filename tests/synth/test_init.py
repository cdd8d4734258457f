"""The public names of the room, which load on first use."""

import json
import subprocess
import sys

import pytest

import personsearch.synth

SCRIPT = """
import json, sys
import personsearch.synth
first = [name for name in ("moderngl", "cv2", "torch", "numpy", "PIL") if name in sys.modules]
assert "make" in dir(personsearch.synth)
personsearch.synth.load_recipe("tiny")
second = [name for name in ("moderngl", "cv2", "torch") if name in sys.modules]
from personsearch.synth import make, contact_sheets, make_crops
third = [name for name in ("moderngl", "torch") if name in sys.modules]
print(json.dumps([first, second, third]))
"""


def test_importing_loads_neither_opengl_nor_opencv_nor_torch() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], [], []]


def test_every_public_name_can_be_had() -> None:
    assert set(personsearch.synth.__all__) >= {"Recipe", "load_recipe", "make", "contact_sheets"}
    for name in personsearch.synth.__all__:
        assert callable(getattr(personsearch.synth, name))
    assert personsearch.synth.make.__module__ == "personsearch.synth.making"
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        personsearch.synth.nope  # noqa: B018
