"""Readers of foreign checkpoints and data; only the command line imports this room."""
