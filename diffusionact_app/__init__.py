"""The Gradio app around the library; the only room that imports gradio."""
