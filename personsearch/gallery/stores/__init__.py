"""What keeps the rows of a gallery: a folder on this machine, or an engine that many machines share.

``protocol.py`` says what a gallery needs, ``folder.py`` is SQLite and FAISS, ``shared.py`` is an engine's two tables,
and ``lance.py`` and ``milvus.py`` are engines.
"""
