import pytest
import torch

from personsearch import PersonSearcher
from personsearch.device import choose_device
from personsearch.errors import ConfigError
from personsearch.models import ModelConfig, build
from tests.support import Run


def test_the_default_is_there() -> None:
    assert torch.zeros(1, device=choose_device(None)).device.type in ("cpu", "cuda", "mps")


def test_a_device_can_be_named_or_given() -> None:
    assert choose_device("cpu") == choose_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize(
    "name",
    ["gpu", "nonsense", "", "CUDA", "cuda:x", "cuda:-1", "cuda:256", "cuda:999", "meta", "xla", "cpu:3", "mps:1"],
)
def test_an_unknown_device_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=f"^device '{name}' is unknown; use cuda, cuda:1, mps or cpu$"):
        choose_device(name)


def test_a_number_is_no_device() -> None:
    with pytest.raises(ConfigError, match="device '0' is unknown"):
        choose_device(0)  # type: ignore[arg-type]


def test_a_wrong_device_is_refused_before_weights_are_looked_for() -> None:
    with pytest.raises(ConfigError, match="device 'gpu' is unknown"):
        PersonSearcher.from_pretrained("./nowhere", device="gpu")


def test_cuda_without_a_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("cuda", "cuda:0", "cuda:9"):
        with pytest.raises(
            ConfigError, match=f"device '{name}' is not available: torch sees no CUDA GPU here; use cpu"
        ):
            choose_device(name)


def test_a_gpu_that_is_not_there_is_an_error_that_says_what_to_do(tiny_config: ModelConfig) -> None:
    missing = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(ConfigError, match=f"device '{missing}' is not available: torch sees .* use cpu"):
        PersonSearcher(build(tiny_config), device=missing)


def test_the_command_line_says_so_without_a_traceback(run: Run) -> None:
    done = run("detect", __file__, "--device", f"cuda:{torch.cuda.device_count()}")
    assert done.code == 2
    assert "is not available" in done.err
    assert "Traceback" not in done.err
