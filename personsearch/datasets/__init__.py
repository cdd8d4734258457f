"""Annotated scenes: files in, :class:`Scene` records out."""

from personsearch.datasets.dataset import Accounting, Dataset, Problem
from personsearch.datasets.formats.coco import load_coco, load_queries
from personsearch.datasets.formats.cuhk_sysu import load_cuhk_sysu
from personsearch.datasets.formats.market import load_market
from personsearch.datasets.formats.mot import load_mot
from personsearch.datasets.formats.prw import load_prw
from personsearch.datasets.formats.published import PUBLISHED
from personsearch.datasets.load import FORMATS, Format, load_coco_set, load_dataset
from personsearch.datasets.scene import GalleryList, Query, Scene, require_images

__all__ = [
    "FORMATS",
    "PUBLISHED",
    "Accounting",
    "Dataset",
    "Format",
    "GalleryList",
    "Problem",
    "Query",
    "Scene",
    "load_coco",
    "load_coco_set",
    "load_cuhk_sysu",
    "load_dataset",
    "load_market",
    "load_mot",
    "load_prw",
    "load_queries",
    "require_images",
]
