"""Builders of bundled files that are run once; no part of the installed package."""
