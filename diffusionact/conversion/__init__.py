"""Other people's files -> the weights folder; imported by commands and training alone."""
