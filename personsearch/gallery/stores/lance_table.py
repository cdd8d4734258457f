"""One of Lance's tables, shared by many processes: conflicts tried again, and erased rows gone from its files.

A table is a folder of files that are never changed. A commit adds a manifest, whose name can be taken once, so of two
writers at once one must look at what the other did: Lance lets it pass, or calls it a conflict, and then it starts
again from the newest version. Files are deleted by :meth:`Table.purge`, also those that no version names: what killed
writers left may hold somebody who was erased since. A file that is being written looks the same, so a purge first
announces itself, which lets nobody begin to write, and then commits something that conflicts with all writes that have
begun. Lance finds conflicts by the versions since a write began, and none in those that were deleted, so they are kept
from there on. Building an index conflicts with nothing, so builders announce themselves too.
"""

from __future__ import annotations

import logging
import os
import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import lance
import pyarrow as pa
from lance.commit import CommitConflictError

from personsearch.errors import GalleryError, GalleryLockedError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

#: What Lance raises; conflicts are OSErrors, and ArrowInvalid is a ValueError.
FAULTS = (OSError, ValueError, RuntimeError, NotImplementedError)

#: Seconds for which a write is tried again. A conflict means that somebody else's write succeeded.
PATIENCE = 300.0
#: Times that a read begins again as its files have gone: a purge since it looked for the newest version.
READS = 5
#: Seconds after which the announcement of a purge is that of a killed process. What it announces is quick: the bulk is
#: deleted before.
PURGE = 120.0
#: The same for building an index, by the clocks of the machines.
BUILD = 6 * 3600.0
PURGING = "personsearch.purging."
BUILDING = "personsearch.building."

#: Rows per file. A file that holds somebody who is erased is written anew, so a file is not all of the gallery.
ROWS_PER_FILE = 100_000
#: Smaller files than that are put together once there are this many (a choice, not measured): each is one more file to
#: open in every read, and in object storage a request, and putting them together writes their rows again.
SMALL_FILES = 32
#: Files of old versions stay for this long, for those who are reading them.
KEEP = timedelta(hours=1)


class _Cache:
    """What Lance keeps in memory of a table, index and metadata: 7 GB at most.

    A class, as Lance's session takes no weak references.
    """

    def __init__(self) -> None:
        self.session = lance.Session()  # type: ignore[attr-defined] # it is in Lance's documentation


#: By table, for all in this process who have it open.
_CACHES: WeakValueDictionary[str, _Cache] = WeakValueDictionary()


class Table:
    """A table at a place, which need not exist yet.

    Attributes:
        address: of the gallery, for messages.
        uri: a folder, or what Lance takes for one.
        options: of Lance's object store.
    """

    def __init__(self, address: str, uri: str, options: dict[str, str]) -> None:
        self.address = address
        self.uri = uri
        self.options = options
        self._opened: Any = None
        self._cache: _Cache | None = None

    def latest(self) -> Any:
        """Return the newest version of the table.

        Raises:
            GalleryError: there is no table.
        """
        found = self.find()
        if found is None:
            raise GalleryError(f"{self.address}: there is no gallery here; index some images into it first")
        return found

    def find(self) -> Any | None:
        """Return the newest version of the table; None where there is no table."""
        for number in range(READS):
            try:
                if self._opened is None:
                    self._opened = lance.dataset(
                        self.uri, storage_options=self.options or None, session=self._shared_cache().session
                    )
                else:
                    self._opened.checkout_latest()
            except FAULTS as error:
                if not is_gone(error):
                    raise self.fault(error) from error
                self._forget_opened()
                time.sleep(0.01 * number)  # it looks the same where a purge has just deleted the version
            else:
                return self._opened
        return None

    def _shared_cache(self) -> _Cache:
        if self._cache is None:
            self._cache = _CACHES.setdefault(self.uri, _Cache())
        return self._cache

    def _forget_opened(self) -> None:
        """Open the table anew next time, and with nothing in memory: another one may have taken its place."""
        self._opened = None
        mine, newest = self._shared_cache(), _CACHES.get(self.uri)
        if newest is None or newest is mine:  # else somebody has forgotten it already
            newest = _CACHES[self.uri] = _Cache()
        self._cache = newest

    def close(self) -> None:
        """Let go of what is in memory, unless somebody else in this process has the table open."""
        self._opened = self._cache = None

    def create(self, schema: pa.Schema) -> None:
        """Make an empty table, unless there is one already."""
        self._forget_opened()
        try:
            self._opened = lance.write_dataset(
                schema.empty_table(),
                self.uri,
                schema,
                mode="create",
                storage_options=self.options or None,
                session=self._shared_cache().session,
            )
        except FAULTS as error:
            if self.find() is None:
                raise self.fault(error) from error

    def read(self, action: Callable[[Any], Result]) -> Result:
        """Do something with the newest version that only reads, again where a purge was quicker."""
        for number in range(READS):
            try:
                return action(self.latest())
            except FAULTS as error:
                if not is_gone(error) or number == READS - 1:
                    raise self.fault(error) from error
                self._forget_opened()
        raise AssertionError

    def write(self, action: Callable[[Any], Result]) -> Result:
        """Do something with the newest version that ends in one commit, again where another writer was quicker.

        Raises:
            GalleryLockedError: others were quicker all the time.
        """
        deadline = time.monotonic() + PATIENCE
        pause = 0.002
        while True:
            table = self._await_purges(deadline)
            last = _last_fragment(table)
            try:
                result = action(table)
            except FAULTS as error:
                if not (is_conflict(error) or is_gone(error)):
                    raise self.fault(error) from error
                if time.monotonic() > deadline:
                    raise self._locked() from error
                if is_gone(error):
                    self._forget_opened()
                time.sleep(random.uniform(0, pause))  # noqa: S311 (spreads out writers)
                pause = min(pause * 2, 0.5)
                continue
            self._settle(last)
            return result

    def _await_purges(self, deadline: float) -> Any:
        """Wait while somebody purges, take away what a killed one left, and return a version that nobody purges."""
        seen: dict[str, float] = {}
        while True:
            table = self.latest()
            purging = [key for key in table.config() if key.startswith(PURGING)]
            if not purging:
                return table
            now = time.monotonic()
            if now > deadline:
                raise self._locked()
            dead = [key for key in purging if now - seen.setdefault(key, now) > PURGE]
            if dead:
                self.configure(dict.fromkeys(dead))
            else:
                time.sleep(0.05)

    def configure(self, values: dict[str, str | None]) -> None:
        """Record facts beside the table, all at once; None takes one away."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.latest().update_config(values)
            except FAULTS as error:
                if not is_conflict(error):
                    raise self.fault(error) from error
                if time.monotonic() > deadline:
                    raise self._locked() from error
                time.sleep(random.uniform(0, 0.05))  # noqa: S311
            else:
                return

    def _settle(self, last: int) -> None:
        """Have the disk keep what the newest version added, so that a power cut does not take it.

        Args:
            last: number of the last file that was there before.
        """
        if "://" in self.uri:
            return  # what object storage has acknowledged is durable
        folder = Path(self.uri)
        newest = self.latest()
        files = [folder / "_versions" / f"{2**64 - 1 - newest.version}.manifest"]
        for fragment in newest.get_fragments():
            deletions = fragment.deletion_file()
            files += [folder / deletions] if deletions else []
            if fragment.fragment_id > last:
                files += [folder / "data" / file.path for file in fragment.data_files()]
        for file in [*files, *{file.parent for file in files}]:
            _sync(file)

    # Upkeep

    def purge(self) -> None:
        """Delete the files that hold deleted rows, whatever others do meanwhile."""
        clean = self._rewrite_deleted()
        # Versions from here on stay: a writer learns from them what became of those that it has read.
        self._stop_writers()
        self.read(lambda table: _forget(table, clean))
        mine = f"{PURGING}{uuid.uuid4()}"
        self.configure({mine: ""})
        try:
            if self._builders():
                logger.warning("%s: an index is being built; what killed writers left stays until then", self.address)
            else:
                self._stop_writers()
                self.read(lambda table: _forget(table, clean, unverified=True))
        finally:
            self.configure({mine: None})

    def _rewrite_deleted(self) -> int:
        """Write the files anew that hold deleted rows; return the number of a version that has none."""
        while True:
            table = self.latest()
            if not any(one.metadata.deletion_file for one in table.get_fragments()):
                return int(table.version)
            self.write(
                lambda table: table.optimize.compact_files(
                    materialize_deletions_threshold=0.0, target_rows_per_fragment=ROWS_PER_FILE
                )
            )

    def _stop_writers(self) -> None:
        """Commit a change of nothing that conflicts with every write that has begun."""
        deadline = time.monotonic() + PATIENCE
        while True:
            table = self.latest()
            same = lance.LanceOperation.Merge([one.metadata for one in table.get_fragments()], table.lance_schema)
            try:
                lance.LanceDataset.commit(table, same, read_version=table.version, storage_options=self.options or None)
            except FAULTS as error:
                if not is_conflict(error):
                    raise self.fault(error) from error
                if time.monotonic() > deadline:
                    raise self._locked() from error
            else:
                return

    def tidy(self) -> None:
        """Put small files together where there are many, and delete what nobody reads any more."""
        small = [one for one in self.latest().get_fragments() if one.physical_rows < ROWS_PER_FILE]
        if len(small) < SMALL_FILES:
            return
        table = self._await_purges(time.monotonic() + PATIENCE)
        last = _last_fragment(table)
        try:
            table.optimize.compact_files(target_rows_per_fragment=ROWS_PER_FILE)
            self._settle(last)
            self.latest().cleanup_old_versions(KEEP, error_if_tagged_old_versions=False)
        except FAULTS as error:
            if not (is_conflict(error) or is_gone(error)):
                raise self.fault(error) from error
            logger.debug("%s: somebody else tidies up: %s", self.address, error)

    @contextmanager
    def building(self) -> Iterator[bool]:
        """Announce that an index is built in the block, unless somebody else is at it; yield whether."""
        mine = f"{BUILDING}{uuid.uuid4()}"
        self._await_purges(time.monotonic() + PATIENCE)
        self.configure({mine: str(time.time())})
        try:
            self._await_purges(time.monotonic() + PATIENCE)
            yield self._builders() == [mine]
        finally:
            self.configure({mine: None})

    def _builders(self) -> list[str]:
        """Return the announcements of builders, less those of killed ones, which are taken away."""
        found = {key: value for key, value in self.latest().config().items() if key.startswith(BUILDING)}
        dead = [key for key, value in found.items() if time.time() - float(value) > BUILD]
        if dead:
            self.configure(dict.fromkeys(dead))
        return [key for key in found if key not in dead]

    # Errors

    def fault(self, error: Exception) -> GalleryError:
        """Return the gallery's error for one of Lance's."""
        what = str(error).split(", /", 1)[0].strip()  # then comes a line of Lance's source
        return GalleryError(f"{self.address}: {what}. Check the address, the access to it and the space left there")

    def _locked(self) -> GalleryLockedError:
        return GalleryLockedError(
            f"{self.address}: others wrote all the time for {PATIENCE:g} s; try again, with fewer writers"
        )


def is_conflict(error: Exception) -> bool:
    """Whether another writer was quicker."""
    return isinstance(error, CommitConflictError) or any(
        word in str(error).lower() for word in ("conflict", "concurrent writers", "preempted")
    )


def is_gone(error: Exception) -> bool:
    """Whether a file is not there, or no longer."""
    return isinstance(error, FileNotFoundError) or any(
        word in str(error).lower() for word in ("not found", "no such file", "nosuchkey")
    )


def _forget(table: Any, before: int, *, unverified: bool = False) -> None:
    """Delete versions before this one and files that only they name; with ``unverified`` those that none names, too."""
    versions = [one["version"] for one in table.version_refs() if one["version"] < before]
    which: dict[str, Any] = {"versions": versions} if versions else {"older_than": timedelta(days=36_500)}
    table.cleanup_old_versions(**which, delete_unverified=unverified, error_if_tagged_old_versions=False)


def _last_fragment(table: Any) -> int:
    return max((one.fragment_id for one in table.get_fragments()), default=-1)


def _sync(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # a later version took its place
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
