"""What a gallery says of itself: its format, and the weights whose embeddings it holds."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping

from personsearch.errors import GalleryMismatchError
from personsearch.results import Spec

#: Of galleries that hold what all versions of the library compute.
FORMAT = "2"
#: Of those whose JPEGs were decoded at a part of their size: versions that know nothing of it refuse them by this.
FAST_DECODE_FORMAT = "3"
FORMATS = (FORMAT, FAST_DECODE_FORMAT)


def meta_of(spec: Spec) -> dict[str, str]:
    """Return the meta rows that describe a new gallery for embeddings of these weights."""
    meta = {
        "format": FAST_DECODE_FORMAT if spec.fast_decode else FORMAT,
        "fingerprint": spec.fingerprint,
        "weights": spec.name,
        "embedding_size": str(spec.embedding_size),
    }
    meta["checksum"] = _checksum(meta)
    if spec.revision is not None:
        meta["revision"] = spec.revision
        meta["revision_checksum"] = _revision_checksum(meta)
    return meta


def check_format(name: str, meta: Mapping[str, str]) -> None:
    """Refuse a gallery of a format that this version does not read.

    Raises:
        GalleryMismatchError: names the gallery, its format and those that are read.
    """
    if meta.get("format") not in FORMATS:
        raise GalleryMismatchError(
            f"{name}: a gallery of format {meta.get('format')!r}, and this version reads "
            f"{' and '.join(map(repr, FORMATS))}; index the images into a new gallery"
        )


def spec_of(meta: Mapping[str, str]) -> Spec:
    """Return the weights that the meta rows of a gallery describe.

    Raises:
        ValueError: a row is missing or differs from what was written.
    """
    if meta.get("checksum") != _checksum(meta):
        raise ValueError("the description of its weights has changed")
    if "revision" in meta and meta.get("revision_checksum") != _revision_checksum(meta):
        raise ValueError("the revision of its weights has changed")
    return Spec(
        name=meta["weights"],
        revision=meta.get("revision"),
        fingerprint=meta["fingerprint"],
        embedding_size=int(meta["embedding_size"]),
        fast_decode=meta["format"] == FAST_DECODE_FORMAT,
    )


def without_revision(meta: Mapping[str, str]) -> dict[str, str]:
    """Return the meta rows less those of the revision, without which a gallery is still whole."""
    # A damaged database may have keys of any type, so they are only compared.
    return {key: value for key, value in meta.items() if key not in ("revision", "revision_checksum")}


def _checksum(meta: Mapping[str, str]) -> str:
    return _crc32(meta, "format", "fingerprint", "weights", "embedding_size")


def _revision_checksum(meta: Mapping[str, str]) -> str:
    # Apart from the other, because the first galleries of this format recorded no revision.
    return _crc32(meta, "fingerprint", "revision")


def _crc32(meta: Mapping[str, str], *keys: str) -> str:
    values = [meta.get(key) for key in keys]
    return str(zlib.crc32(json.dumps(values, default=repr).encode()))  # a damaged value may have any type
