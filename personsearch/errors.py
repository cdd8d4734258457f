"""The error family: every mistake a user can make raises one of these.

Each message names the input, says what is wrong with it and what to do about it.
"""

from __future__ import annotations


class PersonSearchError(Exception):
    """Base of all errors that personsearch raises on purpose."""


class ConfigError(PersonSearchError):
    """A configuration has an unknown key, a wrong type or values that contradict each other."""


class ImageError(PersonSearchError):
    """An image, video or box given by the caller cannot be used."""


class WeightsError(PersonSearchError):
    """Base of the errors about weights."""


class WeightsNotFoundError(WeightsError):
    """Weights are neither in the package, in the given folder nor in the cache."""


class WeightsMismatchError(WeightsError):
    """Weights were found but their keys, shapes, dtype or hash are not those expected."""


class DatasetError(PersonSearchError):
    """Annotations or the files they name are missing or contradict themselves."""


class TrainingError(PersonSearchError):
    """Training cannot start or continue."""


class GalleryError(PersonSearchError):
    """Base of the errors about galleries."""


class GalleryMismatchError(GalleryError):
    """A gallery holds embeddings of other weights, or an image of other content."""


class GalleryLockedError(GalleryError):
    """Another process is writing to the gallery."""


class GalleryCorruptError(GalleryError):
    """The gallery's database is damaged."""


class GalleryFullError(GalleryError):
    """The disk that holds the gallery is full."""


class MissingExtraError(PersonSearchError):
    """A feature needs an optional dependency that is not installed."""


class RenderError(PersonSearchError):
    """Pictures cannot be drawn on this machine."""
