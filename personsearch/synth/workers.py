"""Worker processes that draw the jobs of a set, each with its own graphics context.

The pools of the standard library do not say which task a killed process was working on. Here each worker has its own
pipe, so the main process knows what each one was asked to do.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from personsearch.errors import DatasetError, PersonSearchError
from personsearch.synth.drawing_jobs import Order, draw_job, job_name
from personsearch.synth.plan import Job

#: Mesa and numpy read these when they are loaded: one thread each, so that workers do not compete for cores.
ONE_THREAD = {"LP_NUM_THREADS": "0", "OMP_NUM_THREADS": "1"}

#: Operating-system errors that the user can fix; the main process explains them.
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM)

READY, FRAME, FAILED = "ready", "frame", "failed"


@dataclass
class _Worker:
    """A process, the main process's end of its pipe, and the job it is working on."""

    process: SpawnProcess
    pipe: Connection
    started: bool = False
    job: Job | None = None


def draw_jobs(jobs: Sequence[Job], order: Order, num_workers: int, frame_done: Callable[[], None]) -> None:
    """Draw jobs in worker processes, the largest first.

    Args:
        jobs: in any order.
        order: what the jobs have in common; must be picklable.
        num_workers: number of processes; never more are started than there are jobs.
        frame_done: called after each picture.

    Raises:
        PersonSearchError: raised in a worker; or a worker died, and the message names its job.
        RuntimeError: a job failed for another reason; the message holds the worker's traceback.
    """
    waiting = sorted(jobs, key=lambda job: len(job.frames))
    workers: list[_Worker] = []
    try:
        workers.extend(_start(order) for _ in range(min(num_workers, len(jobs))))
        active = list(workers)
        while active:
            ready = wait([worker.pipe for worker in active])
            for worker in [worker for worker in active if worker.pipe in ready]:
                message, value = _receive(worker, order)
                if message == FRAME:
                    frame_done()
                elif message == FAILED:
                    raise value
                else:
                    worker.started = True
                    worker.job = waiting.pop() if waiting else None
                    # If the worker has died by now, the next read from its pipe says so.
                    with suppress(BrokenPipeError):
                        worker.pipe.send(worker.job)
                    if worker.job is None:
                        active.remove(worker)
    finally:
        _stop(workers, wait_for_idle=not waiting)


def _start(order: Order) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    # A daemon ends with the main process.
    process = context.Process(target=_serve, args=(theirs, order), daemon=True)
    with _environment(ONE_THREAD):
        process.start()
    # With no copy of its end here, the pipe closes when the worker dies.
    theirs.close()
    return _Worker(process, ours)


def _receive(worker: _Worker, order: Order) -> tuple[str, Any]:
    try:
        message: tuple[str, Any] = worker.pipe.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join(10)
        raise DatasetError(_cause_of_death(worker, order)) from None
    return message


def _cause_of_death(worker: _Worker, order: Order) -> str:
    code = worker.process.exitcode or 0
    cause = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
    if not worker.started:
        return (
            f"{order.folder}: a worker process {cause} before it started; a script must call make() under "
            "'if __name__ == \"__main__\":'"
        )
    where = f" while drawing {job_name(worker.job)}" if worker.job is not None else ""
    return (
        f"{order.folder}: a worker process {cause}{where}. If memory ran out, use fewer workers. "
        "Finished work is kept: run the same command again to continue"
    )


def _stop(workers: Sequence[_Worker], *, wait_for_idle: bool) -> None:
    """End the workers; with ``wait_for_idle``, those that have nothing left to do may exit on their own."""
    for worker in workers:
        if not (wait_for_idle and worker.job is None and worker.started):
            worker.process.terminate()
    for worker in workers:
        worker.process.join(10)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.pipe.close()


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(pipe: Connection, order: Order) -> None:
    """Draw jobs as they arrive (runs in the worker)."""
    import cv2

    # Ctrl-C reaches every process of the terminal, but only the main process handles it and ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    try:
        pipe.send((READY, None))
        while (job := pipe.recv()) is not None:
            _draw(pipe, job, order)
            pipe.send((READY, None))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        # The main process is gone, and nobody waits for the rest.
        return


def _draw(pipe: Connection, job: Job, order: Order) -> None:
    try:
        draw_job(job, order, partial(pipe.send, (FRAME, None)))
    except (BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        if isinstance(error, PersonSearchError) or getattr(error, "errno", None) in DISK_ERRORS:
            pipe.send((FAILED, error))
            return
        text = f"job {job_name(job)} of {order.folder} failed in its worker:\n{traceback.format_exc()}"
        pipe.send((FAILED, RuntimeError(text)))
