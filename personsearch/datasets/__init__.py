"""Annotated scenes: :func:`load_dataset` reads a set in any format as a :class:`Dataset` of :class:`Scene` records."""

from personsearch.datasets.dataset import Accounting, Dataset, Problem
from personsearch.datasets.load import FORMATS, load_dataset, splits_of
from personsearch.datasets.scene import GalleryList, Query, Scene

__all__ = [
    "FORMATS",
    "Accounting",
    "Dataset",
    "GalleryList",
    "Problem",
    "Query",
    "Scene",
    "load_dataset",
    "splits_of",
]
