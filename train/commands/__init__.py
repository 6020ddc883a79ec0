"""What stands behind `train.py`, `evaluate.py` and `prepare.py`: their arguments, and the work in order."""
