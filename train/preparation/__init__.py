"""Videos or images -> shards: which clips there are, who is in them, and the workers that track and cut them."""
