"""Ray: joined where it runs, started where it does not, and asked what it has."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from personsearch.errors import ConfigError, MissingExtraError, PersonSearchError

logger = logging.getLogger(__name__)

#: Said to a Ray that is started here, unless the environment says otherwise.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # it would report home
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # to the terminal; what ends a run is an exception here
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # workers without a GPU see what this process sees; else Ray warns of it
}
#: What Ray adds to the message of an exception in a worker.
_RAY_SAYS = "Failed to apply UDF transform"
#: Workers that die one after another while they start, before the run ends.
DEATHS_AT_START = 3
#: Seconds in which a cluster must take a connection.
ANSWERS_WITHIN = 10.0


def require_ray() -> Any:
    """Return the module ``ray``.

    Raises:
        MissingExtraError: Ray, or what it needs for data, is not installed.
    """
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingExtraError("indexing on many machines needs Ray: pip install 'personsearch[ray]'") from None
    return ray


@contextmanager
def connected(ray: Any) -> Iterator[None]:
    """Use the Ray that this process is connected to; or join one, or start one here, for as long as it is used.

    The one that is joined is the cluster that ``RAY_ADDRESS`` names or that this machine belongs to.

    Raises:
        ConfigError: the cluster cannot be reached.
    """
    if ray.is_initialized():
        yield
        return
    where = os.environ.get("RAY_ADDRESS", "")
    _check_answers(where)
    try:
        ray.init(logging_level=logging.ERROR, log_to_driver=False, include_dashboard=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"Ray cannot be {f'reached at {where} (RAY_ADDRESS)' if where else 'started'}: {_last_line(error)}"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Raise if nothing listens at an address of a host and a port: Ray itself would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdecimal():
        return  # such as "auto"
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWERS_WITHIN).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"Ray cannot be reached at {address} (RAY_ADDRESS): {_last_line(error)}; start Ray there, or unset it"
        ) from None


@dataclass(frozen=True)
class Share:
    """What the workers get.

    Attributes:
        workers: how many.
        cpus: cores of each.
        gpus: GPUs of each, 0 on CPUs.
    """

    workers: int
    cpus: int
    gpus: float


def share_of(
    resources: dict[str, float],
    *,
    device: str | None,
    workers: int | None,
    cpus: int | None,
    gpus: float | None,
    reserved: int,
) -> Share:
    """Decide how many workers there are and what each gets.

    Args:
        resources: of the cluster, as Ray counts them.
        device: None = cuda if the cluster has GPUs, else cpu.
        workers: None = as many as there is room for.
        cpus: cores of a worker; None = one, and beside a GPU, which more cores feed, its part of all.
        gpus: of a worker; None = one on cuda, none elsewhere.
        reserved: cores that workers leave to others.

    Raises:
        ConfigError: a value is out of range, or the cluster has no GPU.

    Example:
        >>> share_of({"CPU": 64, "GPU": 4}, device=None, workers=None, cpus=None, gpus=None, reserved=0)
        Share(workers=4, cpus=16, gpus=1.0)
        >>> share_of({"CPU": 8}, device=None, workers=None, cpus=2, gpus=None, reserved=1)
        Share(workers=3, cpus=2, gpus=0.0)
    """
    have_cpus, have_gpus = int(resources.get("CPU", 0)), resources.get("GPU", 0.0)
    if device is not None and device not in ("cpu", "cuda", "mps"):
        raise ConfigError(f"device {device!r}: on Ray it is cuda, cpu or mps; which of the GPUs, Ray decides")
    for name, value in (("workers", workers), ("cpus_per_worker", cpus)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} must be at least 1, got {value}")
    if gpus is not None and not gpus >= 0:
        raise ConfigError(f"gpus_per_worker must be at least 0, got {gpus}")
    if gpus is None:
        gpus = 1.0 if device == "cuda" or (device is None and have_gpus) else 0.0
    if device == "cuda" and not gpus:
        raise ConfigError("device 'cuda' needs gpus_per_worker above 0")
    if gpus and not have_gpus:
        raise ConfigError("this Ray has no GPU; leave device out, or start Ray where GPUs are")
    places = int(have_gpus / gpus) if gpus else 0
    if cpus is None:
        cpus = max(1, (have_cpus - reserved) // max(1, workers or places)) if gpus else 1
    if workers is None:
        room = (have_cpus - reserved) // cpus
        workers = max(1, min(room, places) if gpus else room)
    elif workers * cpus > have_cpus or (gpus and workers > places):
        logger.warning(
            "%d workers of %d cores and %g GPUs do not all fit in this Ray (%d cores, %g GPUs); the rest begin when it "
            "grows",
            workers,
            cpus,
            gpus,
            have_cpus,
            have_gpus,
        )
    return Share(workers, cpus, float(gpus))


@contextmanager
def settings(context: Any) -> Iterator[None]:
    """Run a Dataset as it suits this room; afterwards its settings are the caller's again."""
    changed = {
        # A task's answers are one block: they come as a whole or, after a failure, once more as a whole.
        "target_max_block_size": None,
        "max_errored_blocks": 0,
        "raise_original_map_exception": True,  # for explained()
        "max_consecutive_actor_init_deaths": DEATHS_AT_START,
        "execution_no_progress_timeout_s": -1,  # a long video is no standstill
        "enable_progress_bars": False,  # there is one of our own
        "print_on_execution_start": False,
    }
    before = {name: getattr(context, name) for name in changed}
    loggers = [logging.getLogger("ray.data"), logging.getLogger("ray")]
    levels = [one.level for one in loggers]
    try:
        for name, value in changed.items():
            setattr(context, name, value)
        for one in loggers:
            one.setLevel(logging.CRITICAL)  # what ends a run is an exception here
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)


def explained(error: Exception, gallery: str) -> PersonSearchError:
    """Return what made Ray give up as an error of ours; one of ours from a worker says what it said there."""
    cause: BaseException | None = getattr(error, "cause", None) or error
    text = str(cause).partition(_RAY_SAYS)[0].rstrip()
    if isinstance(cause, PersonSearchError):
        return type(cause)(text)
    said = f"{type(cause).__name__}: {_last_line(text)}".removesuffix(": ")
    return PersonSearchError(f"Ray gave up: {said}. What {gallery} has acknowledged stays; the same command continues")


def _last_line(text: object) -> str:
    """Return the last line that says something: of a traceback, what went wrong."""
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
