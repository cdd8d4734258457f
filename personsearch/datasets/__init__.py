"""Annotated scenes: files in, :class:`Scene` records out."""

from personsearch.datasets.coco import load_coco, load_queries
from personsearch.datasets.scene import Query, Scene

__all__ = ["Query", "Scene", "load_coco", "load_queries"]
