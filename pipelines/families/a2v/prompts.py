"""The fixed words of the talking avatar."""

CONNECTION_PROMPT = "a person is talking"
"""What every window is told; the user's prompt shapes the reference pass only."""

NEGATIVE_PROMPT = (
    "bright tones, overexposed, static, blurred details, subtitles, style, works, paintings, images, static, "
    "overall gray, worst quality, low quality, JPEG compression residue, ugly, incomplete, extra fingers, "
    "poorly drawn hands, poorly drawn faces, deformed, disfigured, misshapen limbs, fused fingers, "
    "still picture, messy background, three legs, many people in the background, walking backwards"
)
"""What text guidance pulls away from unless a person names something else."""
