"""People: bodies, poses, clothes, and the identities that say which."""
