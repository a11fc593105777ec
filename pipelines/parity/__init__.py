"""Replays stored stage results (goldens) through the real loader and the real stages."""
