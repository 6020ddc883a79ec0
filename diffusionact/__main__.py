"""`python -m diffusionact`."""

from .cli import main

raise SystemExit(main())
