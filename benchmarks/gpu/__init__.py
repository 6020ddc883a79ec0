"""Everything that is worth knowing about speed, memory and precision on one device, in one command.

    python -m benchmarks.gpu --output gpu.json

`sections.py` runs the sections within their time and keeps what is finished, each other file owns one section.
"""
