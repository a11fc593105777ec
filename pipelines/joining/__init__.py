"""Clips, narration and music become one film; ffmpeg does the work and no model is needed."""
