"""Training data: synthetic portraits, shards, cached frames, pairs."""
