"""Re-rendering a photo in another pose by geometry: who the person is, how the face moves, how it is lit."""
