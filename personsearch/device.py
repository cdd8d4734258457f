"""Which device to compute on (torch)."""

from __future__ import annotations

import os

import torch

from personsearch.errors import ConfigError


def choose_device(wanted: str | torch.device | None) -> torch.device:
    """Return the device that is asked for, once it is known to be there; by default cuda, then mps, then cpu.

    Raises:
        ConfigError: it is none of cuda, mps and cpu, or this machine does not have it.
    """
    if wanted is None:
        if torch.cuda.is_available():
            return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    unknown = ConfigError(f"device {str(wanted)!r} is unknown; use cuda, cuda:1, mps or cpu")
    if not isinstance(wanted, (str, torch.device)):
        raise unknown
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise unknown from None
    # Torch knows many more, on which this network was never tried, and reads cuda:256 as cuda:0.
    if device.type not in ("cuda", "mps", "cpu") or str(device) != str(wanted):
        raise unknown
    if device.type != "cuda" and device.index:
        raise unknown
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            have = f"torch sees {count} CUDA GPU{'s' * (count != 1)}" if count else "torch sees no CUDA GPU"
            raise ConfigError(f"device {str(wanted)!r} is not available: {have} here; use cpu, or leave device out")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device 'mps' is not available on this machine; use cpu, or leave device out")
    return device
