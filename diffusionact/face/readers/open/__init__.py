"""The open face reader: bundled nets, FFHQ crop, and the open face model fitted inside it."""
