"""Opening whatever keeps a gallery's rows, by its address."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from personsearch.errors import GalleryError
from personsearch.gallery.opening import open_folder
from personsearch.gallery.stores.engine import Engine
from personsearch.gallery.stores.folder import FolderStore
from personsearch.gallery.stores.protocol import SceneStore
from personsearch.gallery.stores.shared import SharedStore
from personsearch.results import Spec

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+)://")
#: What is left of an address that went through ``Path``.
_SPOILT = re.compile(r"(lance|milvus):/")


def is_address(gallery: str | os.PathLike[str]) -> bool:
    """Whether a gallery is named by an engine's address, such as ``lance://people``, not by a folder.

    Raises:
        GalleryError: no engine has such addresses, or it is not given as a string.
    """
    name = os.fspath(gallery)
    found = _ADDRESS.match(name)
    if found is not None:
        if found[1] not in _ENGINES:
            raise GalleryError(
                f"{name}: a gallery is a folder, or one of {', '.join(f'{scheme}://' for scheme in _ENGINES)} "
                "(docs/scale.md)"
            )
        return True
    if not isinstance(gallery, str) and _SPOILT.match(name):
        address = name.replace(":/", "://", 1)
        raise GalleryError(
            f"{address}: this needs a gallery in a folder; make one of it ('personsearch gallery copy {address} "
            "FOLDER'). In Python, give an address as a string: Path() takes a slash away"
        )
    return False


def open_store(path: str | os.PathLike[str], *, write: bool, spec: Spec | None, wait: float = 0.0) -> SceneStore:
    """Open a gallery's store; see ``Gallery.open``."""
    if not is_address(path):
        return FolderStore(*open_folder(Path(path), write=write, spec=spec, wait=wait))
    address = os.fspath(path)
    engine = _ENGINES[address.partition("://")[0]](address)
    try:
        return SharedStore(engine, write=write, create=spec if write else None)
    except BaseException:
        engine.close()
        raise


def _lance(address: str) -> Engine:
    from personsearch.gallery.stores.lance import open_lance

    return open_lance(address)


def _milvus(address: str) -> Engine:
    from personsearch.gallery.stores.milvus import open_milvus

    return open_milvus(address)


_ENGINES: dict[str, Callable[[str], Engine]] = {"lance": _lance, "milvus": _milvus}
