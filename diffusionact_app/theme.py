"""The look: a quiet paper ground, ink, one deep green; system fonts, so that nothing is fetched."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

STYLE = Path(__file__).with_name("style.css")
FONTS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

# From 50 to 950.
GREEN = [
    "#eef6f3",
    "#d6eae3",
    "#b0d6c9",
    "#82bca9",
    "#549d87",
    "#37806b",
    "#286755",
    "#205345",
    "#1b4338",
    "#17382f",
    "#0b1f1a",
]
INK = [
    "#f8f8f6",
    "#f0f0ec",
    "#e1e1db",
    "#c9cac3",
    "#9b9d97",
    "#71746f",
    "#555854",
    "#414441",
    "#2b2e2c",
    "#1d201e",
    "#121413",
]


def make_theme() -> gr.themes.Base:
    """The theme of the app, light and dark."""
    base = gr.themes.Base(
        primary_hue=gr.themes.Color(*GREEN),
        secondary_hue=gr.themes.Color(*GREEN),
        neutral_hue=gr.themes.Color(*INK),
        radius_size=gr.themes.sizes.radius_lg,
        font=FONTS,
        font_mono=MONO,
    )
    return base.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_800",
        block_border_width="1px",
        block_shadow="none",
        block_label_background_fill="white",
        block_label_background_fill_dark="*neutral_900",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_500",
        button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white",
        button_large_text_weight="600",
        slider_color="*primary_500",
        input_background_fill="*neutral_50",
        input_background_fill_dark="*neutral_950",
    )
