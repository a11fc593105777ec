"""Inference for SkyReels V3: requests, model families and media, usable without the application."""
