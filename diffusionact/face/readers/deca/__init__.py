"""The face reader of "Finding Directions": the same detector, landmarks and head as `emoca`, with DECA's encoder.

Its files lie beside those of `emoca`, in one folder; see `emoca/__init__.py`.
"""
