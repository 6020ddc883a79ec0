"""What reads faces in images: one registry entry per face reader."""
