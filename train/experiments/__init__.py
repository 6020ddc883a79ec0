"""What the experiments share that ask what a small network could add to the photo model: `light` and `mouth`."""
