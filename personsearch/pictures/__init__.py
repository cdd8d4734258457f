"""Pictures in and out, without torch: decoding, drawing, a search's matches, the frames of videos.

A service that never loads a network reads and draws with this room alone.
"""
