"""The durable gallery. Imports neither torch nor the network: a search service starts in a fraction of a second."""

from personsearch.gallery.copying import CopyReport, copy
from personsearch.gallery.gallery import Gallery
from personsearch.gallery.rescue import rescue

__all__ = ["CopyReport", "Gallery", "copy", "rescue"]
