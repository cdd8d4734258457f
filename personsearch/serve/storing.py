"""Pictures of scenes that were sent, kept in a folder under names that the service makes."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from personsearch.durable import FULL_DISK, write_durably
from personsearch.errors import ConfigError
from personsearch.results import StoredScene
from personsearch.serve.faults import Refused

#: Bytes that stay free on the disk of the pictures.
RESERVE = 512 * 2**20
_SUFFIX = ".picture"


class PictureFolder:
    """A folder of pictures, one file for each scene that was sent."""

    def __init__(self, folder: Path, reserve: int = RESERVE) -> None:
        """Look after a folder, made if need be.

        Args:
            folder: the pictures'.
            reserve: bytes that stay free on its disk.

        Raises:
            ConfigError: it cannot be made.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"--pictures {folder}: cannot be made ({error.strerror}); name another folder") from None
        self._folder = folder.resolve()
        self._reserve = reserve

    def path_of(self, image_id: str, sha256: str) -> Path:
        """Return where the picture of a scene is kept: nothing of the name that was sent is in it."""
        name = hashlib.sha256(f"{sha256} {image_id}".encode()).hexdigest()
        return self._folder / f"{name}{_SUFFIX}"

    def keep(self, image_id: str, sha256: str, data: bytes) -> Path:
        """Write a picture, whole or not at all.

        Raises:
            Refused: the disk is full, or nearly so.
        """
        path = self.path_of(image_id, sha256)
        try:
            if shutil.disk_usage(self._folder).free - len(data) < self._reserve:
                raise Refused(507, f"the disk of the pictures has less than {self._reserve >> 20} MiB left; free some")
            write_durably(path, data)
        except OSError as error:
            if error.errno in FULL_DISK:
                raise Refused(507, "the disk of the pictures is full; nothing of this was stored") from None
            raise
        return path

    def erase(self, scene: StoredScene) -> None:
        """Erase the picture of a scene, if it is one of this folder."""
        path, sha256 = scene.extra.get("path"), scene.extra.get("sha256")
        if isinstance(path, str) and isinstance(sha256, str):
            own = self.path_of(scene.image_id, sha256)
            if Path(path) == own:
                own.unlink(missing_ok=True)
