"""The app file, here and on Hugging Face Spaces. `python gradio_app.py` takes the options of `diffusionact app`."""

import sys

from diffusionact_app.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
