"""Names of our engines, as `"engine"` of a model_index.json says them."""

DIFFUSION = "diffusion"
DIRECTIONS = "directions"
WARP = "warp"
