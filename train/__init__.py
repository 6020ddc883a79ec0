"""Training: `accelerate launch train/train.py --config train/configs/demo/<stage>.yaml`."""
