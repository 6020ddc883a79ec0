"""Training: `accelerate launch train/train.py --config train/configs/<stage>.yaml`."""
