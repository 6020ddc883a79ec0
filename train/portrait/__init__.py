"""Training of the perception network on synthetic portraits: `python -m train.portrait`."""
