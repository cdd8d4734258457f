"""What Ray starts many times: an actor that holds the network and makes answers of inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from personsearch.batching import workers_for
from personsearch.gallery import Gallery
from personsearch.indexing.same_content import Held, held_of
from personsearch.runner import Runner
from personsearch.scale.answers import Answer, table_of
from personsearch.scale.inputs import Input, inputs_in
from personsearch.scale.looking import Job, Looking
from personsearch.scale.weights import Packed


class Worker:
    """Looks at the inputs of a table; an actor.

    Args:
        weights: in Ray's store, in a list so that Ray hands over the reference.
        job: how to look at them.
        ledger: the actor with the :class:`personsearch.scale.ledger.Ledger`.
        gallery: the address of an engine that is asked what it holds of inputs where nobody has looked.
        known: or what a folder holds, by image_id, in Ray's store, likewise.
    """

    def __init__(
        self, weights: Sequence[Any], job: Job, ledger: Any, gallery: str | None = None, known: Sequence[Any] = ()
    ) -> None:
        import ray
        import torch

        self._ray, self._ledger = ray, ledger
        if job.device != "cuda":
            torch.set_num_threads(job.cores)
        packed: Packed = ray.get(weights[0])
        runner = Runner(packed.network(), job.device, None, fast=True, fast_decode=job.fast_decode)
        runner.workers = workers_for(runner.device.type, job.cores)
        self._looking = Looking(runner, job)
        self._known: dict[str, Held] = ray.get(known[0]) if known else {}
        self._gallery = None if gallery is None else Gallery.open(gallery, mode="r")

    def __call__(self, table: Any) -> Any:
        """Return the answers about the table's inputs."""
        rows = inputs_in(table)
        unusable = [row for row in rows if isinstance(row, Answer)]
        inputs = self._looked_up([row for row in rows if isinstance(row, Input)])
        if not inputs:
            return table_of(unusable)
        task = f"{inputs[0].image_id} and {len(inputs) - 1} more"
        if self._ray.get(self._ledger.begin.remote(task)):
            answers = [answer for one in inputs for answer in self._careful(task, one)]
        else:
            answers = self._looking.look(inputs)
        self._ledger.end.remote(task)
        return table_of([*unusable, *answers])

    def _careful(self, task: str, one: Input) -> list[Answer]:
        if self._ray.get(self._ledger.take.remote(task, one.image_id)):
            return [
                Answer(
                    "refused",
                    one.entry().printable,
                    "every process that looked at it died (out of memory, or its decoder crashed); it was left out",
                )
            ]
        return self._looking.look([one])

    def _looked_up(self, inputs: list[Input]) -> list[Input]:
        """Say of inputs that nobody has looked up what the gallery holds of them."""
        if all(one.held is not None for one in inputs):
            return inputs
        if self._gallery is None:
            return [replace(one, held=self._known.get(one.image_id, Held())) for one in inputs]
        sound = [one.image_id for one in inputs if one.entry().printable == one.image_id]
        known = self._gallery.stored(sound)
        return [replace(one, held=held_of(self._gallery, one.entry(), known)) for one in inputs]
