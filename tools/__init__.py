"""Builds bundled assets once, from other people's files; not shipped in the wheel."""
