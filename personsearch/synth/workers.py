"""Worker processes, each with a graphics context of its own, that draw the jobs of a set.

A pool of the standard library does not say which task a killed process had; here each worker has a pipe, and the main
process knows what it asked for.
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

#: Read by Mesa and by numpy when they are loaded: one thread each, or the workers would stand in each other's way.
ONE_THREAD = {"LP_NUM_THREADS": "0", "OMP_NUM_THREADS": "1"}

#: Errors of the operating system that the user can mend; the main process explains them.
DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM)

READY, FRAME, FAILED = "ready", "frame", "failed"


@dataclass
class _Worker:
    """A process, the main process's end of its pipe, and what it is at work on."""

    process: SpawnProcess
    pipe: Connection
    began: bool = False
    job: Job | None = None


def draw_jobs(jobs: Sequence[Job], order: Order, num_workers: int, frame_done: Callable[[], None]) -> None:
    """Draw jobs in worker processes, the biggest first.

    Args:
        jobs: in any order.
        order: what they have in common; must be picklable.
        num_workers: processes; no more than there are jobs are started.
        frame_done: called for each picture.

    Raises:
        PersonSearchError: as raised in a worker, or because a worker died; its message names the job.
    """
    waiting = sorted(jobs, key=lambda job: len(job.frames))
    workers: list[_Worker] = []
    try:
        workers.extend(_start(order) for _ in range(min(num_workers, len(jobs))))
        at_work = list(workers)
        while at_work:
            ready = wait([worker.pipe for worker in at_work])
            for worker in [worker for worker in at_work if worker.pipe in ready]:
                message, value = _receive(worker, order)
                if message == FRAME:
                    frame_done()
                elif message == FAILED:
                    raise value
                else:
                    worker.began = True
                    worker.job = waiting.pop() if waiting else None
                    # One that has died meanwhile is found out when it is listened to.
                    with suppress(BrokenPipeError):
                        worker.pipe.send(worker.job)
                    if worker.job is None:
                        at_work.remove(worker)
    finally:
        _stop(workers, kindly=not waiting)


def _start(order: Order) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    # A daemon: it ends with the main process.
    process = context.Process(target=_serve, args=(theirs, order), daemon=True)
    with _environment(ONE_THREAD):
        process.start()
    # Without this copy, the pipe closes when the worker dies.
    theirs.close()
    return _Worker(process, ours)


def _receive(worker: _Worker, order: Order) -> tuple[str, Any]:
    try:
        message: tuple[str, Any] = worker.pipe.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join(10)
        raise DatasetError(_how_it_died(worker, order)) from None
    return message


def _how_it_died(worker: _Worker, order: Order) -> str:
    code = worker.process.exitcode or 0
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
    if not worker.began:
        return (
            f"{order.folder}: a worker process {how} before it began; a script that makes a set must do so below "
            "'if __name__ == \"__main__\":'"
        )
    at = f" at the job {job_name(worker.job)}" if worker.job is not None else ""
    return (
        f"{order.folder}: a worker process {how}{at}. If memory ran out, use fewer workers. "
        "What is finished is kept: run the same command again to go on"
    )


def _stop(workers: Sequence[_Worker], *, kindly: bool) -> None:
    """End the workers; kindly = let those that have nothing left to do leave by themselves."""
    for worker in workers:
        if not (kindly and worker.job is None and worker.began):
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
    """Draw jobs as they come (in the worker)."""
    import cv2

    # Ctrl-C reaches all processes of a terminal; the main process ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    try:
        pipe.send((READY, None))
        while (job := pipe.recv()) is not None:
            _draw(pipe, job, order)
            pipe.send((READY, None))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        # The main process is gone: nobody wants the rest.
        return


def _draw(pipe: Connection, job: Job, order: Order) -> None:
    try:
        draw_job(job, order, partial(pipe.send, (FRAME, None)))
    except (BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        if isinstance(error, PersonSearchError) or getattr(error, "errno", None) in DISK_TROUBLE:
            pipe.send((FAILED, error))
            return
        text = f"job {job_name(job)} of {order.folder} failed in its worker:\n{traceback.format_exc()}"
        pipe.send((FAILED, RuntimeError(text)))
