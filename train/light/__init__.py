"""The learned light of the photo warp: pairs with exact truth, and a network for them; see docs/photo_warp.md."""
