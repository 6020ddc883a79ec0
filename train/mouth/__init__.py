"""The learned inside of the mouth: aligned mouth crops, a small diffusion model for them; see docs/photo_warp.md."""
