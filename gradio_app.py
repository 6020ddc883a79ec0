"""The app file: `python gradio_app.py` starts the page, here or as a Hugging Face Space. Same options as `diffusionact app`."""

import sys

from diffusionact.cli import main

if __name__ == "__main__":
    sys.exit(main(["app", *sys.argv[1:]]))
