"""The learned unseen surface: a small diffusion model for what a turn uncovers; see docs/photo_warp.md."""
