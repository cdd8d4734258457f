"""``index`` on Ray: the work of ``PersonSearcher.index``, done by the workers of one machine or of many."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from typing import TYPE_CHECKING, Any, TypeAlias

from personsearch.batching import chunks
from personsearch.errors import ConfigError
from personsearch.gallery import Gallery
from personsearch.gallery.stores.opening import is_address
from personsearch.indexing.same_content import Held
from personsearch.indexing.scenes import log_report
from personsearch.listing import check_gallery
from personsearch.pictures.video import frames_prefix
from personsearch.progress import Progress
from personsearch.results import IndexReport, Spec
from personsearch.runner import Settings
from personsearch.scale.answers import Answer, answers_in
from personsearch.scale.cluster import Share, connected, explained, require_ray, settings, share_of
from personsearch.scale.inputs import (
    NAMES_AT_ONCE,
    TASK,
    Input,
    check_columns,
    inputs_of,
    list_all,
    tasks_of,
)
from personsearch.scale.ledger import Ledger
from personsearch.scale.looking import Job
from personsearch.scale.weights import Packed
from personsearch.scale.worker import Worker
from personsearch.scale.writing import Storing, Writer
from personsearch.sources import Sources
from personsearch.weights.registry import DEFAULT, load_weights

if TYPE_CHECKING:
    from ray.data import Dataset

logger = logging.getLogger(__name__)

#: Stills of a task at most: what is computed again when a worker dies, and what travels at a time.
TASK_SIZE = 64
#: Rows that writers take at a time, about what engines like best.
SCENES_AT_ONCE = 256
#: Tasks for each worker at least, where there are stills enough, so that all end at about the same time.
TASKS_PER_WORKER = 4

Images: TypeAlias = (
    "str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Mapping[str, str | os.PathLike[str] | bytes] | Dataset"
)


def index(
    images: Images,
    gallery: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] = DEFAULT,
    revision: str | None = None,
    device: str | None = None,
    workers: int | None = None,
    cpus_per_worker: int | None = None,
    gpus_per_worker: float | None = None,
    writers: int = 0,
    every: int = 1,
    prefix: str = "",
    crops: bool = False,
    replace: bool = False,
    compare: bool = True,
    cameras: Mapping[str, str] | None = None,
    times: Mapping[str, float] | None = None,
    batch_size: int = 8,
    fast_decode: bool = False,
    progress: bool | None = None,
) -> IndexReport:
    """Detect everybody in the images and store them in a gallery, with Ray's workers.

    It does what :meth:`personsearch.PersonSearcher.index` does, with the same names, comparisons and report, so that
    either continues what the other began. A Ray that this process is connected to is used; else the cluster that
    ``RAY_ADDRESS`` names or this machine belongs to; else one is started here and ended afterwards. Workers get the
    weights from this process. Pictures they open themselves, so a folder must be there on every machine, under the same
    path.

    When a worker dies, another one does its task again, and nothing is stored twice. A picture over which processes
    die one after another is left out and reported. When this process dies, everything acknowledged is stored, and the
    same call continues.

    Args:
        images: what ``PersonSearcher.index`` takes, but in memory only encoded pictures; folders, globs and files of
            object storage (``s3://...``, with ``personsearch[s3]``), whose scenes keep their address as
            ``extra["url"]``; or a Ray Dataset with a column ``path``, or ``image_id`` and ``bytes``, and ``camera``
            and ``time`` where known.
        gallery: the folder or address of one, made if need be. A folder is written by this process alone.
        weights: their name, or a folder; see ``PersonSearcher.from_pretrained``.
        revision: of a Hub repository.
        device: of the workers, ``"cuda"``, ``"cpu"`` or ``"mps"``; default cuda if the cluster has GPUs, else cpu.
        workers: how many processes look at pictures; default as many as there is room for.
        cpus_per_worker: cores of each; default 1, and beside a GPU its part of all.
        gpus_per_worker: GPUs of each; default 1 on cuda. Less than 1 lets several share one.
        writers: how many processes store; 0 = this one does. Only for engines.
        every: index one of this many frames of a video; 1 = all. A video is looked at by one worker.
        prefix: put before every image_id, with a slash between them.
        crops: every picture is one person, cut out beforehand.
        replace: index again what is stored under the same name with other content.
        compare: compare what is stored under the same name with what is there now, which reads it; False = take stills
            of the same name for the same, without opening them.
        cameras: image_id -> camera; a video's own id counts for all its frames.
        times: image_id -> seconds; of a video, the time at which it begins.
        batch_size: images of one canvas size that go through the network together.
        fast_decode: see ``PersonSearcher.from_pretrained``.
        progress: None = a bar on a terminal.

    Returns:
        What was added, what was skipped, what was refused and what was passed over.

    Raises:
        MissingExtraError: Ray is not installed, or the package for such addresses.
        ConfigError: a value is out of range, does not go with another, or Ray cannot be reached.
        GalleryError: ``gallery`` is no place for one.
        GalleryMismatchError: the gallery holds embeddings of other weights.
        ImageError: there is nothing to index.
        PersonSearchError: Ray gave up.

    Example:
        >>> from personsearch.scale import index
        >>> report = index("photos/", "my-gallery/", workers=2, cameras={"0.jpg": "door"})
        >>> report.added, report.skipped, report.failed
        (2, 0, ())
        >>> index("photos/", "my-gallery/").skipped
        2
    """
    ray = require_ray()
    if writers < 0:
        raise ConfigError(f"writers must be at least 0, got {writers}")
    Settings(batch_size=batch_size)
    check_gallery(gallery)
    engine = os.fspath(gallery) if is_address(gallery) else None
    if writers and engine is None:
        raise ConfigError(f"{gallery}: a folder has one writer, this process; leave writers out")
    if writers and replace:
        raise ConfigError("what is replaced is erased first, by the one process that writes; leave writers out")
    dataset = images if isinstance(images, ray.data.Dataset) else None
    if dataset is not None and (prefix or cameras or times):
        raise ConfigError("a Dataset has columns for names, cameras and times; leave prefix, cameras and times out")
    sources = Sources.of({}, every=every, cameras=cameras, times=times)
    if dataset is None:
        listing = list_all(images, prefix)  # type: ignore[arg-type] # no Dataset
        sources = replace_fields(sources, listing=listing)
    loaded = load_weights(weights, revision=revision)
    spec = replace_fields(loaded.spec, fast_decode=fast_decode)
    # Ray first: it starts processes, and Lance does not like to be forked.
    with connected(ray), Gallery.open(gallery, spec, calibration=loaded.calibration) as opened:
        share = share_of(
            ray.cluster_resources(),
            device=device,
            workers=workers,
            cpus=cpus_per_worker,
            gpus=gpus_per_worker,
            reserved=0 if dataset is None else 1,  # somebody has to read it
        )
        job = Job(
            device="cuda" if share.gpus else device or "cpu",
            cores=share.cpus,
            every=every,
            crops=crops,
            replace=replace,
            batch_size=batch_size,
            fast_decode=fast_decode,
            compare=compare,
        )
        crew = _Crew(ray, share, job, Packed.of(loaded.network), spec, engine, writers)
        account = _Account(sources, opened)
        report = _run(crew, account, dataset, progress)
    log_report(report)
    return report


@dataclass(frozen=True)
class _Crew:
    """Who does the work.

    Attributes:
        ray: the module.
        share: what workers get.
        job: what they do.
        weights: with what.
        spec: of the weights.
        engine: address of the gallery, if it is no folder.
        writers: how many processes store; 0 = this one does.
    """

    ray: Any
    share: Share
    job: Job
    weights: Packed
    spec: Spec
    engine: str | None
    writers: int

    def tables(
        self, rows: Any, size: int, *, engine: str | None = None, known: Mapping[str, Held] | None = None
    ) -> Iterator[Any]:
        """Yield tables of answers about the rows of a Ray Dataset, as they come.

        Args:
            rows: tasks, or inputs.
            size: rows that make a task.
            engine: that workers ask what it holds, where the rows do not say it.
            known: what a folder holds, likewise.
        """
        from ray.data import ActorPoolStrategy

        ray = self.ray
        ledger = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Ledger).remote()
        held = [] if known is None else [ray.put(known)]
        # A pool that may grow does so by one worker at a time, so it has its size from the start.
        pool = ActorPoolStrategy(min_size=self.share.workers, max_size=self.share.workers)
        # By default, workers that die are started again, and their tasks are done again, without end.
        answers = rows.map_batches(
            Worker,
            fn_constructor_args=([ray.put(self.weights)], self.job, ledger, engine, held),
            batch_size=size,
            batch_format="pyarrow",
            compute=pool,
            num_cpus=self.share.cpus,
            num_gpus=self.share.gpus,
        )
        if self.writers:
            answers = answers.map_batches(
                Writer,
                fn_constructor_args=(self.engine, self.spec),
                batch_size=SCENES_AT_ONCE,
                batch_format="pyarrow",
                compute=ActorPoolStrategy(min_size=self.writers, max_size=self.writers),
                num_cpus=0,  # they wait for the engine, and workers may have taken all cores
            )
        with settings(answers.context):
            yield from answers.iter_batches(batch_size=None, batch_format="pyarrow")


class _Account:
    """What has become of everything, for the report.

    Args:
        sources: what is indexed.
        gallery: open for writing.
    """

    def __init__(self, sources: Sources, gallery: Gallery) -> None:
        self.sources, self.gallery = sources, gallery
        self._failed: list[tuple[str, str]] = list(sources.listing.unreadable)
        self._damaged: list[tuple[str, str]] = []
        self._added = self._skipped = self._people = self._labelled = self._unverified = 0
        self._seen = {entry.image_id for entry in sources.entries}
        self._labels: dict[str, tuple[str | None, float | None]] = {}

    def take(self, answer: Answer) -> bool:
        """Take in an answer; True = a scene or an input is done with."""
        if self.sources.cameras or self.sources.times:
            self._seen.add(answer.image_id)
        if answer.kind == "stored":
            self._added += 1
            self._people += answer.people
        elif answer.kind == "there":
            self._skipped += 1
            self._unverified += answer.unknown
            if answer.camera is not None or answer.time is not None:
                self._labels[answer.image_id] = answer.camera, answer.time
                if len(self._labels) >= NAMES_AT_ONCE:
                    self.label()
        elif answer.kind == "refused":
            self._failed.append((answer.image_id, answer.text))
        elif answer.kind == "damaged":
            self._damaged.append((answer.image_id, answer.text))
            return False
        elif answer.kind == "read":
            if answer.note is not None:
                self.gallery.note(frames_prefix(answer.image_id), answer.note)
            return False
        return True

    def label(self) -> None:
        """Give scenes that were there the cameras and times that are given now; those that have them are not asked."""
        labels, self._labels = self._labels, {}
        for name, scene in self.gallery.stored(labels).items():
            camera, time = labels[name]
            if (camera is not None and camera != scene.camera) or (time is not None and time != scene.time):
                self._labelled += self.gallery.label(name, camera=camera, time=time)

    def report(self) -> IndexReport:
        """Return what was done."""
        self.label()
        given = self.sources.cameras.keys() | self.sources.times.keys()
        return IndexReport(
            added=self._added,
            skipped=self._skipped,
            people=self._people,
            failed=self._in_order(self._failed),
            damaged=self._in_order(self._damaged),
            unmatched=tuple(sorted(given - self._seen)),
            passed_over=dict(self.sources.listing.passed_over),
            labelled=self._labelled,
            unverified=self._unverified,
        )

    def _in_order(self, named: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """Return what workers said, as it came, in the order of the inputs."""
        if len(named) > 1:
            place = {entry.printable: number for number, entry in enumerate(self.sources.entries)}

            def of_input(one: tuple[str, str]) -> int:
                name = one[0]
                return place.get(name, place.get(name.rpartition(frames_prefix(""))[0], -1))

            named = sorted(named, key=of_input)
        return tuple(named)


def _run(crew: _Crew, account: _Account, dataset: Dataset | None, progress: bool | None) -> IndexReport:
    """Have everything looked at, store it, and return the report."""
    gallery, job = account.gallery, crew.job
    entries = account.sources.entries
    countable = dataset is None and not any(entry.is_video for entry in entries)
    with Progress(total=len(entries) if countable else None, label="index", shown=progress) as bar:

        def take(answers: Iterable[Answer]) -> None:
            for answer in answers:
                if account.take(answer):
                    bar.advance()

        if dataset is None:
            inputs: list[Input] = []
            for one in inputs_of(account.sources, gallery, compare=job.compare):
                if isinstance(one, Input):
                    inputs.append(one)
                else:
                    take([one])
            size = min(TASK_SIZE, max(job.batch_size, len(inputs) // (crew.share.workers * TASKS_PER_WORKER)))
            tasks = list(tasks_of(inputs, size))
            # Ray warns of workers for whom there is nothing to do.
            crew = replace_fields(crew, share=replace_fields(crew.share, workers=min(crew.share.workers, len(tasks))))
            tables = crew.tables(_dataset_of(tasks), 1) if tasks else iter(())
        else:
            check_columns(dataset.columns() or ())
            # Each task has the same rows when it is done again.
            rows = dataset.repartition(target_num_rows_per_block=TASK_SIZE)
            known = None if crew.engine else _all_held(gallery)
            tables = crew.tables(rows, TASK_SIZE, engine=crew.engine, known=known)
        storing = Storing(gallery, replace=job.replace)
        with closing(tables) if isinstance(tables, Generator) else nullcontext():
            while True:
                try:
                    table = next(tables, None)
                except Exception as error:
                    raise explained(error, gallery.name) from None
                if table is None:
                    break
                for answer in answers_in(table):
                    take(storing.take(answer))
        take(storing.finish())
        return account.report()


def _dataset_of(tasks: Iterable[bytes]) -> Any:
    """Return tasks as a Ray Dataset; each is a block, which Ray neither splits nor joins with others."""
    import pyarrow as pa
    import ray.data

    return ray.data.from_arrow([pa.table({TASK: pa.array([task], pa.binary())}) for task in tasks])


def _all_held(gallery: Gallery) -> dict[str, Held]:
    """Return everything that a folder holds by the name of the input, as workers cannot ask it."""
    frames: dict[str, list[str]] = {}
    held: dict[str, Held] = {}
    for names in chunks(gallery.image_ids(), NAMES_AT_ONCE):
        for name, scene in gallery.stored(names).items():
            held[name] = Held((name,), scene)
            video, mark, _ = name.rpartition(frames_prefix(""))
            if mark:
                frames.setdefault(video, []).append(name)
    for video, names in frames.items():
        held[video] = Held(tuple(names), held[names[0]].first, gallery.noted(frames_prefix(video)))
    return held
