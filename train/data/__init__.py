"""Training data: frames of shards, their facts, pairs, noise; all fixed functions of seed and position."""
