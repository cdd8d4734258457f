"""Annotated scenes: files in, :class:`Scene` records out."""

from personsearch.datasets.coco import load_coco, load_queries
from personsearch.datasets.dataset import Accounting, Dataset, Problem
from personsearch.datasets.scene import GalleryList, Query, Scene, require_images

__all__ = [
    "Accounting",
    "Dataset",
    "GalleryList",
    "Problem",
    "Query",
    "Scene",
    "load_coco",
    "load_queries",
    "require_images",
]
