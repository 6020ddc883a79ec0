"""What `light`, `mouth` and `surface` share, which ask what a small network could add to the photo model."""
