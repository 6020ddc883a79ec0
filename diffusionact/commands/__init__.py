"""What each `diffusionact` command does; the arguments stand in `cli.py`."""
