"""The app file, here and on Hugging Face Spaces. `python gradio_app.py` takes the options of `diffusionact app`."""

import sys

from diffusionact.cli import main

if __name__ == "__main__":
    sys.exit(main(["app", *sys.argv[1:]]))
