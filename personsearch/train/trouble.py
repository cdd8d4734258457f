"""What goes wrong around training, in words: folders that cannot be written, memory that is full."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed as dist

from personsearch.errors import TrainingError
from personsearch.train.config import TrainConfig


def require_folder(out: Path) -> None:
    """Refuse a folder that cannot be written, before anything is read or computed. Nothing is made yet.

    Raises:
        TrainingError: says why.
    """
    for path in (out, *out.absolute().parents):
        if not os.path.lexists(path):
            continue
        if not path.is_dir():
            raise TrainingError(
                f"{out}: {'is' if path == out else f'{path} is'} a file, not a folder; choose another run.out"
            )
        if not os.access(path, os.W_OK | os.X_OK):
            raise TrainingError(f"{out}: {path} cannot be written by this user; choose another run.out")
        return


@contextmanager
def explained(config: TrainConfig) -> Iterator[None]:
    """Turn what the machine refuses in the course of a run into a sentence.

    Raises:
        TrainingError: memory is full, a file cannot be written, or another process of the run is gone.
    """
    smaller = f"lower {config.batch_units[0]}, raise steps.accumulate, or lower model.input.max_size"
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise TrainingError(f"the GPU's memory is full ({str(error).split('. ')[0]}); {smaller}") from None
    except MemoryError:
        raise TrainingError(f"memory is full; {smaller}, or lower run.num_workers") from None
    except RuntimeError as error:
        if _is_of_a_lost_process(error):
            raise TrainingError(
                f"another process of the run has ended or cannot be reached ({str(error).splitlines()[0]}). See what "
                "it said last, on its own machine; the same command on all machines continues the run"
            ) from None
        if "can't allocate memory" not in str(error) and "not enough memory" not in str(error):
            raise
        raise TrainingError(f"memory is full; {smaller}, or lower run.num_workers") from None
    except OSError as error:
        raise TrainingError(f"the run in {config.run.out} stopped: {error}; the same command continues it") from None


def _is_of_a_lost_process(error: RuntimeError) -> bool:
    # gloo's have no type of their own
    return isinstance(error, dist.DistError) or "third_party/gloo" in str(error)
