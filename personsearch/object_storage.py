"""Object storage and whatever else fsspec opens, which comes with torch: ``s3://`` needs the extra ``[s3]``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from personsearch.errors import MissingExtraError


def file_system(address: str, *, name: str, options: Mapping[str, object]) -> tuple[Any, str]:
    """Return fsspec's file system for an address, and the address as it calls it, without a slash at the end.

    Args:
        address: such as ``s3://bucket/folder``; without a scheme, a path on the disk.
        name: what the address was given as, for the message.
        options: of the file system.

    Raises:
        MissingExtraError: the package for such addresses is not installed.
        Exception: fsspec's own, where it opens no such address.
    """
    import fsspec  # type: ignore[import-untyped]

    scheme = address.partition("://")[0] if "://" in address else "file"
    try:
        fs, path = fsspec.core.url_to_fs(address, **options)
    except ImportError as error:
        wanted = "pip install 'personsearch[s3]'" if scheme in ("s3", "s3a") else f"fsspec says: {error}"
        raise MissingExtraError(f"{name}: the package for {scheme}:// is not installed: {wanted}") from None
    return fs, str(path).rstrip("/")
