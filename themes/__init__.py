"""Palettes: one TOML file each, found by listing this folder."""
