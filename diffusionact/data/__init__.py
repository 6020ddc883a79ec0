"""Files of our own formats: shards of prepared frames, saved sources and poses."""
