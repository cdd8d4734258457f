"""Index on many machines with Ray (the extra ``[ray]``): workers look at pictures, and one process or a few store.

Docs: docs/scale.md.
"""

from personsearch.scale.ingest import index

__all__ = ["index"]
