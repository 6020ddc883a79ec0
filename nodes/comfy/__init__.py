"""Adapters between ComfyUI and the library; the nodes beside this folder use them."""
