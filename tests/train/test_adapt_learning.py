from pathlib import Path

import pytest
import torch

from personsearch.models import preset
from personsearch.train.adaptation.learning import adapting_config


@pytest.mark.parametrize(
    ("device", "native", "precision"),
    [("cpu", False, "bfloat16"), ("cuda", True, "bfloat16"), ("cuda", False, "float32"), ("mps", False, "float32")],
)
def test_bfloat16_is_for_devices_that_compute_in_it(
    device: str, native: bool, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU older than Ampere imitates it: asked plainly, torch says that it is supported."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or native)
    config = adapting_config(
        Path("set.json"),
        Path("run"),
        preset("stl-mrfp-small"),
        "stl-mrfp-small-synth",
        epochs=3,
        seed=0,
        device=torch.device(device),
        loaders=0,
    )
    assert config.run.precision == precision
