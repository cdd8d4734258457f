"""Annotated scenes: files in, :class:`Scene` records out."""

from personsearch.datasets.coco import load_coco, load_queries
from personsearch.datasets.scene import Query, Scene, require_images

__all__ = ["Query", "Scene", "load_coco", "load_queries", "require_images"]
