"""Runs on several machines, each with a disk of its own: what they have to agree on, and how files get across.

The leading process writes a run's files, and after a restart torchrun may let another machine lead. So a run begins
with every machine getting the files of the one, or of the copy in object storage, that is furthest.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist

from personsearch.durable import replace_durably, sha256_of
from personsearch.errors import ConfigError, DatasetError, PersonSearchError, TrainingError
from personsearch.train.checkpoint import LAST, load_checkpoint
from personsearch.train.config import TrainConfig
from personsearch.train.continuing import differences, require_same_recipe
from personsearch.train.distributed import World
from personsearch.train.record import DataRecord
from personsearch.train.remote import RUN_FILES, Backup

Result = TypeVar("Result")

#: Keys of ``run`` that may differ from machine to machine.
_OWN = ("out", "device", "num_workers", "tensorboard")
#: Bytes that pass between machines at a time.
_PIECE = 16 * 2**20


def in_each(world: World, work: Callable[[], Result]) -> list[Result]:
    """Do something in every process, and return the results of all by rank; if one fails, all raise its error.

    Args:
        world: the processes of the run.
        work: what it returns can be pickled.

    Raises:
        PersonSearchError: the first that a process raised.
    """
    mine: Result | PersonSearchError
    try:
        mine = work()
    except PersonSearchError as error:
        if world.size == 1:
            raise
        mine = error
    everybodys = world.all_gather(mine)
    for one in everybodys:
        if isinstance(one, PersonSearchError):
            raise one
    return everybodys  # type: ignore[return-value]


def require_one_recipe(config: TrainConfig, world: World) -> None:
    """Refuse processes that were started with different recipes: they would wait for each other in different places.

    Raises:
        ConfigError: names the machines and the keys.
    """
    if world.size == 1:
        return
    recipe = {"step": config.step_of_stl, **config.model_dump(mode="json")}
    for key in _OWN:
        del recipe["run"][key]
    first, *others = world.all_gather((_machine(world), recipe))
    for name, other in others:
        changed = differences(first[1], other)
        if changed:
            raise ConfigError(
                f"the processes of the run have different recipes ({first[0]} and {name}: {', '.join(changed)} "
                "differ); start the same command with the same recipe on every machine"
            )


def require_one_set(data: DataRecord, world: World) -> None:
    """Refuse processes that read different annotations: their classes would be other people.

    Raises:
        DatasetError: names the machines, and the first identities and scenes that differ.
    """
    if len(set(world.all_gather(data.digest))) == 1:
        return
    (leader, first), *others = world.all_gather((_machine(world), data))
    name, changes = next((name, first.changes_to(other)) for name, other in others if first.changes_to(other))
    raise DatasetError(
        f"the machines of the run have different annotations: those of {name}, compared with those of {leader}: "
        f"{changes}. Copy the same set to every machine"
    )


def open_backup(config: TrainConfig, world: World) -> Backup | None:
    """Find where checkpoints are copied to, on every machine, because any of them may lead after a restart.

    Returns:
        For the leading process, the copies; None for the others, and without ``run.backup``.

    Raises:
        ConfigError: fsspec knows no such address.
        MissingExtraError: a machine lacks the package for this kind of store.
    """
    url, found = config.run.backup, []

    def find() -> None:
        if url is not None:
            found.append(Backup(url, config))

    in_each(world, find)
    return found[0] if found and world.leads else None


def gather_run(config: TrainConfig, world: World, backup: Backup | None) -> None:
    """Give every machine the files of the furthest checkpoint that a machine or the copies in object storage have.

    Args:
        config: the recipe.
        world: the processes of the run.
        backup: the copies, in the leading process; None = there are none.

    Raises:
        TrainingError: a machine or the store holds another run or a damaged one, or the store cannot be used.
    """
    folder = Path(config.run.out)
    if world.size == 1 and backup is None:
        return
    steps = in_each(world, lambda: _step_in(folder, config) if world.leads_machine else None)
    furthest = max((step for step in steps if step is not None), default=None)

    def take_up() -> int | None:
        if backup is None:
            return None
        backup.require_writable()
        return backup.take_up(folder, further_than=furthest)

    fetched = in_each(world, take_up)[0]
    if fetched is not None:
        spread(folder, RUN_FILES, world, source=0)
    elif furthest is not None:
        spread(folder, RUN_FILES, world, source=steps.index(furthest))


def spread(folder: Path, names: Sequence[str], world: World, *, source: int = 0) -> None:
    """Give every machine the files that one of them has. Machines that share the folder have them already.

    Args:
        folder: on every machine; made if need be.
        names: in the order in which they are put into place. Those that the source lacks are removed elsewhere.
        world: the processes of the run.
        source: rank of the process that keeps the files of the machine that has them.
    """
    keeps = world.all_gather(world.leads_machine)
    if sum(keeps) == 1:
        return
    there = [name for name in names if world.leads_machine and (folder / name).exists()]
    mine = {name: sha256_of(folder / name) for name in there}
    theirs = world.all_gather(mine)
    for name in names:
        if name not in theirs[source]:
            if world.leads_machine and world.rank != source:
                (folder / name).unlink(missing_ok=True)
            continue
        if all(one.get(name) == theirs[source][name] for one, kept in zip(theirs, keeps, strict=True) if kept):
            continue
        wanted = world.leads_machine and mine.get(name) != theirs[source][name]
        _pass_on(folder / name, theirs[source][name], world, source, wanted=wanted)
    world.barrier()


def _pass_on(path: Path, sha256: str, world: World, source: int, *, wanted: bool) -> None:
    """Send a file from one process to all; those that want it write it."""
    size = world.all_gather(path.stat().st_size if world.rank == source else 0)[source]
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    if wanted:
        path.parent.mkdir(parents=True, exist_ok=True)
    given = path.open("rb") if world.rank == source else None
    taken = temporary.open("wb") if wanted else None
    try:
        for start in range(0, size, _PIECE):
            length = min(_PIECE, size - start)
            piece = torch.empty(length, dtype=torch.uint8)
            if given is not None:
                piece = torch.frombuffer(bytearray(given.read(length)), dtype=torch.uint8)
            piece = piece.to(world.device)
            dist.broadcast(piece, src=source)
            if taken is not None:
                taken.write(piece.cpu().numpy().data)
        if taken is not None:
            taken.close()
            if sha256_of(temporary) != sha256:
                raise TrainingError(f"{path}: did not come whole from another machine; run the same command again")
            replace_durably(temporary, path)
    finally:
        for file in (given, taken):
            if file is not None:
                file.close()
        if wanted:
            temporary.unlink(missing_ok=True)


def _step_in(folder: Path, config: TrainConfig) -> int | None:
    """Return the step of a machine's own checkpoint, once it is known to be of this run; None if it has none."""
    path = folder / LAST
    if not path.exists():
        return None
    state = load_checkpoint(path)
    require_same_recipe(folder, state, config)
    position = state.get("position")
    return int(position["step"]) if isinstance(position, dict) and "step" in position else 0


def _machine(world: World) -> str:
    return f"process {world.rank} on {socket.gethostname()}"
