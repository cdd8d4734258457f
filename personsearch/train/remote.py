"""Copies of a run's checkpoints in object storage, through fsspec: whole or not counted, the newest few kept.

A copy is made of files that are never changed once they are there, and of a list that names them with their hashes and
is written last. So whatever is interrupted, and whatever the store, the lists that were there before stay true.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from personsearch.durable import replace_durably, sha256_of
from personsearch.errors import ConfigError, MissingExtraError, TrainingError
from personsearch.object_storage import file_system
from personsearch.train.checkpoint import BEST, LAST
from personsearch.train.config import TrainConfig
from personsearch.train.continuing import differences_to, what_is_learnt
from personsearch.train.watch import METRICS, RECIPE, WEIGHTS

logger = logging.getLogger(__name__)

#: What a run consists of, in the order in which it is put into place: what says that the rest is there comes last.
RUN_FILES = (BEST, METRICS, RECIPE, LAST)
#: Copies that are kept.
KEPT = 3
#: Under ``run.backup``: the lists, and the files that they name.
LISTS, FILES = "checkpoints", "files"
#: What a run that stops with an error waits for a copy under way, in seconds.
PATIENCE = 30.0
_FORMAT = 1
#: Of a sha256, in names.
_DIGITS = 16
_LIST = re.compile(rf"\d{{9,}}-[0-9a-f]{{{_DIGITS}}}\.json")
_FILE = re.compile(rf"(last|best|metrics|recipe)-[0-9a-f]{{{_DIGITS}}}\.(pt|json|jsonl)")
#: In the run's folder: the files of the copy under way, which the run itself replaces meanwhile.
_HELD = ".backup"


@dataclass(frozen=True)
class Copy:
    """A copy of a run, as its list says.

    Attributes:
        name: of the list.
        step: of the checkpoint.
        recipe: what of the recipe changes what is learnt.
        files: name in the run's folder -> ``key`` under ``run.backup``, ``sha256`` and ``size`` in bytes.
    """

    name: str
    step: int
    recipe: dict[str, Any]
    files: dict[str, dict[str, Any]]


class Backup:
    """Where the leading process of a run copies its checkpoints to, one at a time, while training goes on."""

    def __init__(self, url: str, config: TrainConfig) -> None:
        """Find the store. Nothing is read or written yet.

        Args:
            url: ``run.backup``, anything that fsspec opens.
            config: the recipe.

        Raises:
            ConfigError: fsspec knows no such address.
            MissingExtraError: the package for this kind of store is not installed.
        """
        self.url = url
        self._config = config
        self._fs, self._root = _open(url)
        self._kept: list[Copy] = []
        self._sent: set[str] = set()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Backup:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wait(PATIENCE)

    def require_writable(self) -> None:
        """Find out before any training whether copies can be written.

        Raises:
            TrainingError: they cannot.
        """
        probe = f"{self._root}/.writable"
        try:
            self._fs.pipe_file(probe, b"personsearch writes its checkpoints here\n")
        except Exception as error:  # every store has exceptions of its own
            raise TrainingError(
                f"run.backup={self.url}: cannot be written ({_reason(error)}); check its name, the credentials and the "
                "network, or leave run.backup out"
            ) from None
        self._remove([probe])

    def take_up(self, folder: Path, *, further_than: int | None) -> int | None:
        """Fetch the furthest sound copy into a run's folder, if it is further than the run is elsewhere.

        Args:
            folder: of the run; made if need be. What it holds of the run is replaced.
            further_than: step of the furthest checkpoint that any machine has; None = there is none.

        Returns:
            The step of the copy; None if there is none, or none that is further.

        Raises:
            TrainingError: the store cannot be read, holds another run, or holds nothing but damaged copies.
        """
        copies = self._copies()
        if copies:
            changed = differences_to(copies[0].recipe, self._config)
            if changed:
                raise TrainingError(
                    f"run.backup={self.url}: holds a run of another recipe ({', '.join(changed)} differ); choose "
                    "another run.backup, or the same values to continue it"
                )
        reached, sound, fetched = further_than, [], None
        for copy in copies:
            if reached is None or copy.step > reached:
                if not self._fetch(copy, folder):
                    continue
                fetched = reached = copy.step
            sound.append(copy)
        if copies and reached is None:
            raise TrainingError(
                f"run.backup={self.url}: none of its {len(copies)} checkpoints is sound; choose another run.backup, or "
                "empty this one to begin again"
            )
        self._kept = sound[::-1]
        self._sent = {one["key"] for copy in sound for one in copy.files.values()}
        return fetched

    def start(self, folder: Path, step: int) -> None:
        """Begin to copy the run's files as they are now; what goes wrong is a warning.

        While a copy is under way nothing is begun: where checkpoints come faster than they can be copied, some have no
        copy.

        Args:
            folder: of the run.
            step: of its checkpoint.
        """
        if self._thread is not None and self._thread.is_alive():
            return
        held = _hold(folder)

        def work() -> None:
            try:
                self._copy(held, step)
            except Exception as error:  # every store has exceptions of its own
                logger.warning(
                    "run.backup=%s: the checkpoint of step %d could not be copied (%s). Training goes on, and the next "
                    "checkpoint tries again; check the credentials, the network and the room there",
                    self.url,
                    step,
                    _reason(error),
                )

        self._thread = threading.Thread(target=work, name="personsearch-backup", daemon=True)
        self._thread.start()

    def finish(self, folder: Path, step: int, weights: Iterable[str]) -> None:
        """Copy the end of a run, its weights too, and wait until all is there.

        Args:
            folder: of the run.
            step: of its last checkpoint.
            weights: names of the files in its weights folder, in the order in which they are written.

        Raises:
            TrainingError: something could not be copied.
        """
        self._wait()
        try:
            self._copy(_hold(folder), step)
            for name in weights:
                if (folder / WEIGHTS / name).exists():
                    self._fs.put_file(str(folder / WEIGHTS / name), f"{self._root}/{WEIGHTS}/{name}")
        except Exception as error:  # every store has exceptions of its own
            raise TrainingError(
                f"run.backup={self.url}: the run is finished and its weights are in {folder / WEIGHTS}, but they could "
                f"not be copied ({_reason(error)}). Check the credentials, the network and the room there, then run "
                "the same command again: it copies them, and trains no more"
            ) from None
        logger.info("checkpoint and weights are copied to %s", self.url)

    def _wait(self, seconds: float | None = None) -> None:
        if self._thread is not None:
            self._thread.join(seconds)

    def _copy(self, held: Path, step: int) -> None:
        """Copy files that nobody changes meanwhile, and remove them and the copies that are too many."""
        try:
            files: dict[str, dict[str, Any]] = {}
            for name in RUN_FILES:
                path = held / name
                if not path.exists():
                    continue
                digest, size = sha256_of(path), path.stat().st_size
                key = f"{FILES}/{path.stem}-{digest[:_DIGITS]}{path.suffix}"
                if key not in self._sent:
                    self._fs.put_file(str(path), f"{self._root}/{key}")
                    self._sent.add(key)
                files[name] = {"key": key, "sha256": digest, "size": size}
        finally:
            shutil.rmtree(held, ignore_errors=True)
        new = Copy(f"{step:09d}-{files[LAST]['sha256'][:_DIGITS]}.json", step, what_is_learnt(self._config), files)
        if new in self._kept:
            return
        text = json.dumps({"format": _FORMAT, "step": step, "recipe": new.recipe, "files": files}, indent=2)
        self._fs.pipe_file(f"{self._root}/{LISTS}/{new.name}", text.encode())
        self._kept = [*(copy for copy in self._kept if copy.name != new.name), new][-KEPT:]
        self._remove_the_rest()

    def _remove_the_rest(self) -> None:
        """Remove what older copies leave, the lists before the files; where that is not allowed, it stays."""
        lists = {copy.name for copy in self._kept}
        self._sent = {one["key"] for copy in self._kept for one in copy.files.values()}
        try:
            gone = [f"{LISTS}/{name}" for name in self._names_in(LISTS) if _LIST.fullmatch(name) and name not in lists]
            keys = [f"{FILES}/{name}" for name in self._names_in(FILES) if _FILE.fullmatch(name)]
        except Exception as error:  # every store has exceptions of its own
            logger.debug("%s: cannot be listed (%s)", self.url, _reason(error))
            return
        self._remove(f"{self._root}/{key}" for key in [*gone, *(key for key in keys if key not in self._sent)])

    def _remove(self, paths: Iterable[str]) -> None:
        for path in paths:
            try:
                self._fs.rm_file(path)
            except Exception as error:  # every store has exceptions of its own; some allow writing only
                logger.debug("%s: cannot be removed (%s)", path, _reason(error))

    def _names_in(self, folder: str) -> dict[str, int | None]:
        """Return name -> size in bytes of what is in a folder of the store; nothing if there is no such folder."""
        self._fs.invalidate_cache()
        try:
            rows = self._fs.ls(f"{self._root}/{folder}", detail=True)
        except FileNotFoundError:
            return {}
        return {str(row["name"]).rstrip("/").rpartition("/")[2]: row.get("size") for row in rows}

    def _copies(self) -> list[Copy]:
        """Return the copies, the furthest first; those of which a file is missing are only warned of."""
        try:
            found = [self._read_list(name) for name in self._names_in(LISTS) if _LIST.fullmatch(name)]
            sizes = self._names_in(FILES)
        except Exception as error:  # every store has exceptions of its own
            raise TrainingError(
                f"run.backup={self.url}: cannot be read ({_reason(error)}), so nobody knows how far the run is; check "
                "its name, the credentials and the network"
            ) from None
        copies = [copy for copy in found if copy is not None]
        for copy in copies:
            for one in copy.files.values():
                if sizes.get(one["key"].rpartition("/")[2]) != one["size"]:
                    logger.warning("run.backup=%s: %s is missing or not whole", self.url, one["key"])
        return sorted(copies, key=lambda copy: (copy.step, copy.name), reverse=True)

    def _read_list(self, name: str) -> Copy | None:
        """Return what a list says; None if it is half written, or not one of ours."""
        try:
            data = json.loads(self._fs.cat_file(f"{self._root}/{LISTS}/{name}"))
            files = {key: data["files"][key] for key in RUN_FILES if key in data["files"]}
            known = all(_FILE.fullmatch(one["key"].removeprefix(f"{FILES}/")) for one in files.values())
            if data["format"] != _FORMAT or LAST not in files or not known:
                return None
            return Copy(name, int(data["step"]), dict(data["recipe"]), files)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def _fetch(self, copy: Copy, folder: Path) -> bool:
        """Put a copy's files into a run's folder, if all of them are what its list says; return whether they are."""
        logger.info("fetching the checkpoint of step %d from %s", copy.step, self.url)
        folder.mkdir(parents=True, exist_ok=True)
        temporary = {name: folder / f".{name}.{os.getpid()}" for name in copy.files}
        try:
            for name, path in temporary.items():
                key = copy.files[name]["key"]
                try:
                    self._fs.get_file(f"{self._root}/{key}", str(path))
                    sound = sha256_of(path) == copy.files[name]["sha256"]
                except FileNotFoundError:
                    sound = False
                except Exception as error:  # every store has exceptions of its own
                    raise TrainingError(
                        f"run.backup={self.url}: {key} cannot be fetched into {folder} ({_reason(error)}); check the "
                        "network and the room on the disk, then run the same command again"
                    ) from None
                if not sound:
                    logger.warning(
                        "run.backup=%s: the checkpoint of step %d is left out: %s is not the file that was copied (by "
                        "its sha256)",
                        self.url,
                        copy.step,
                        key,
                    )
                    return False
            for name in RUN_FILES:
                if name in temporary:
                    replace_durably(temporary[name], folder / name)
                else:
                    (folder / name).unlink(missing_ok=True)
        finally:
            for path in temporary.values():
                path.unlink(missing_ok=True)
        return True


def _open(url: str) -> tuple[Any, str]:
    """Return fsspec's file system for an address, and the address as it calls it."""
    on_disk = "://" not in url or url.startswith(("file://", "local://"))
    try:
        # Folders are made as files are written; in a bucket there are none.
        return file_system(url, name=f"run.backup={url}", options={"auto_mkdir": True} if on_disk else {})
    except MissingExtraError:
        raise
    except Exception as error:  # every store has exceptions of its own
        raise ConfigError(
            f"run.backup={url}: not an address that fsspec opens ({_reason(error)}); write for example "
            "s3://bucket/folder, or a folder"
        ) from None


def _hold(folder: Path) -> Path:
    """Return a folder with a run's files as they are now, in no more room than their names take where that goes."""
    held = folder / _HELD
    shutil.rmtree(held, ignore_errors=True)
    held.mkdir()
    for name in RUN_FILES:
        if not (folder / name).exists():
            continue
        try:
            if name == METRICS:  # grows, while the others are replaced
                raise OSError
            os.link(folder / name, held / name)
        except OSError:  # not every file system has hard links
            shutil.copyfile(folder / name, held / name)
    return held


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
