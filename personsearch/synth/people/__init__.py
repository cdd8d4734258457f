"""People: bodies, poses and clothes, all determined by identities."""
