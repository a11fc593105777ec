"""What the words mean that a screen takes for known; help shows them after the keys."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.front.language import mark


@dataclass(frozen=True, slots=True)
class Word:
    """One word, and one sentence for somebody who has never seen a model that makes pictures; both marked."""

    word: str
    meaning: str


WORDS_TITLE = mark("Words")
WORDS = (
    Word(mark("step"), mark("A video begins as noise; each step makes all its frames a little clearer")),
    Word(mark("denoise"), mark("The stage of the steps: most of the time of a job")),
    Word(mark("decode"), mark("The stage that turns what the steps have made into pictures")),
    Word(mark("piece"), mark("A long video is made one piece after the other; each goes on where the last one ended")),
    Word(mark("seed"), mark("The number that the noise is drawn from: same seed and same form, same video")),
    Word(mark("guidance"), mark("How closely the video keeps to the prompt, the picture or the voice")),
    Word(mark("precision"), mark("exact computes as the model was made; fast and fastest save time and come close")),
    Word(mark("token"), mark("A word of the prompt or a part of one, as the model reads it")),
    Word(mark("take"), mark("One video of a scene of a film; the film shows the chosen one")),
    Word(mark("suspect"), mark("Finished, but something about the video looks wrong; the page of the job says what")),
    Word(mark("interrupted"), mark("Stopped before its end; its finished steps are kept, and it goes on from there")),
    Word(mark("held"), mark("Waits until you release it; others go first")),
    Word(mark("model"), mark("The files that a task computes with; in the memory panel, what they take there")),
    Word(mark("work"), mark("In the memory panel: what computing takes beside the model")),
    Word(mark("worker"), mark("A GPU, or a process, that runs jobs of this queue")),
    Word("LoRA", mark("A small file that teaches a model a style or a face")),
    Word(
        mark("transformer, vae"),
        mark("Parts of a model, as its folders are called, text_encoder and tokenizer among them"),
    ),
)
