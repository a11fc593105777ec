"""A checkpoint's networks under a load plan: found, loaded when first used, kept warm by the pool."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipelines.checkpoints.prepared import prepared_file
from pipelines.front.gang import ranks_of
from pipelines.front.language import tr
from pipelines.front.lora import parse_lora
from pipelines.front.memory import LoadPlan, requested_plan
from pipelines.front.progress import Progress, Report, Stage
from pipelines.front.request import Request
from pipelines.front.runtime import Runtime
from pipelines.loading.lora import LoraMerge, lora_key
from pipelines.models.encoders.text import PromptCache, PromptEncoder, load_prompt_encoder, weights_id
from pipelines.models.lean.block_offload import BlockOffload
from pipelines.models.lean.scaled_linear import use_scaled_linears
from pipelines.models.library import AutoencoderKLWan
from pipelines.models.transformer.attention_choice import use_fastest
from pipelines.models.transformer.load import changeable_shapes
from pipelines.models.transformer.transformer import SkyReelsTransformer
from pipelines.models.vae.vae import decode_stream, load_vae
from pipelines.parallel.crew import Crew
from pipelines.running.ahead import ahead
from pipelines.running.beside import Beside
from pipelines.running.crews import warm_crew
from pipelines.running.interrupt import interruptible
from pipelines.running.pool import ModelPool
from pipelines.sampling.step_preview import StepPreview


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a family's checkpoint holds its parts, as paths below its folder."""

    vae: str
    text_encoder: str
    tokenizer: str
    load_transformer: Callable[..., SkyReelsTransformer]
    """(folder, device=, dtype=, float8=, loras=, compute_device=, prepared=, report=) -> network."""


class CheckpointNetworks:
    """The networks of one checkpoint for one job. Used from one thread."""

    def __init__(
        self, layout: Layout, runtime: Runtime, pool: ModelPool, report: Report, request: Request | None = None
    ) -> None:
        """`request` says how to load and which LoRA files to merge; a plan of the runtime goes before its own.

        Raises InvalidRequest when it asks for more GPUs than there are.
        """
        self._layout, self._runtime, self._pool, self._report = layout, runtime, pool, report
        self.plan = runtime.load_plan or (requested_plan(request) if request else LoadPlan())
        self._loras = tuple(map(parse_lora, request.lora)) if request else ()
        self._partial = request.lora_partial if request else False
        if self.plan.ranks > 1 and runtime.device != "cpu" and runtime.followers is None:
            ranks_of(str(self.plan.ranks), torch.cuda.device_count())
        self._kernel = ""
        self._coming: dict[Path, Beside[SkyReelsTransformer]] = {}
        """Transformers that a thread reads, by their folder."""

    @property
    def device(self) -> str:
        """Where the networks compute."""
        return self._runtime.device

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of transformer and text encoder: what the device multiplies fast; the VAE is always float32."""
        return torch.float32 if self.device == "cpu" else torch.bfloat16

    @property
    def tokenizer_folder(self) -> Path:
        """The text encoder's tokenizer."""
        return self.checkpoint / self._layout.tokenizer

    @property
    def checkpoint(self) -> Path:
        """The checkpoint's folder."""
        return self._runtime.checkpoint

    @contextmanager
    def vae(self) -> Iterator[AutoencoderKLWan]:
        """The autoencoder; `poll` can end an encode between two of its chunks of 4 frames."""
        source = self.checkpoint / self._layout.vae
        used = self.use(source, torch.float32, lambda: load_vae(source, **self.where()))
        with used as vae, interruptible([vae.encoder], self._runtime.poll):
            yield vae

    def decode(self, vae: AutoencoderKLWan, latents: Tensor) -> Generator[Tensor, None, None]:
        """Decode as `decode_stream` does, in the way that the plan asks for."""
        vae.use_tiling = self.plan.tiled_decode
        try:
            with self._crew() as crew:
                if crew:
                    yield from decode_stream(vae, latents, exact=self.plan.exact_decode, together=crew.decode)
                else:
                    # The encoder and the reports get one chunk while the next is decoded.
                    yield from ahead(decode_stream(vae, latents, exact=self.plan.exact_decode))
        finally:
            # Encoding never takes tiles: their seams would be in the condition of every step.
            vae.use_tiling = False

    @cached_property
    def preview(self) -> StepPreview:
        """How this job's steps are shown."""
        # The plan of a job in tiles has no room for a whole frame.
        return StepPreview(None if self.plan.tiled_decode else self._decode_frame)

    def _decode_frame(self, latents: Tensor) -> Tensor | None:
        """One frame as the job will decode it; None while the autoencoder is not loaded, which is never done for this.

        It takes no more memory than a chunk of the decode that the plan has room for.
        """
        if not self._pool.is_warm(self._key(self.checkpoint / self._layout.vae, torch.float32)):
            return None
        self._runtime.poll()
        with self.vae() as vae, closing(decode_stream(vae, latents, exact=self.plan.exact_decode)) as chunks:
            return next(chunks)

    @contextmanager
    def transformer(self, folder: str, num_tokens: int) -> Iterator[SkyReelsTransformer]:
        """The transformer below `folder`, ready for calls of about `num_tokens` tokens; `poll` can end a call."""
        source, plan = self.checkpoint / folder, self.plan
        if plan.release_text_encoder:
            self._pool.release(self._text_key)
        network_of = self.use(source, self.dtype, lambda: self._transformer_at(source), *self._options)
        with network_of as network, self._crew() as crew:
            if not self._kernel:
                heads, head_dim = network.config.num_attention_heads, network.config.attention_head_dim
                self._kernel = use_fastest(
                    self.device,
                    self._runtime.cache_dir,
                    num_tokens,
                    head_dim,
                    heads // plan.ranks,
                    may_round=plan.numerics == "fastest",
                    waiting=self._tell_of_kernels,
                )
                self._report(Progress(Stage.LOAD, detail=f"{self._kernel} attention"))
                self._runtime.log(f"{self._kernel} attention for {num_tokens} tokens")
                if crew and self.device != "cpu":
                    crew.use_kernel(self._kernel, self._runtime.cache_dir)
            # What `poll` raises inside a call must pass through the crew, which stops the other ranks at that block.
            together = crew.lead(network) if crew else nullcontext()
            with together, interruptible(network.blocks.children(), self._runtime.poll):
                yield network

    def _tell_of_kernels(self) -> None:
        """Say what the job waits for, and hear whether it is to stop."""
        self._report(Progress(Stage.LOAD, detail=tr("measuring the attention kernels, once on this machine")))

    def check_loras(self, folder: str) -> list[str]:
        """Hold the LoRA files against the transformer below `folder` before anything is loaded, values and all.

        Returns what to say with the result. Raises LoraRefused.
        """
        if not self._loras:
            return []
        source = self.checkpoint / folder
        with self._merge(source) as merge:
            if not self._pool.is_warm(self._key(source, self.dtype, *self._options)):
                merge.check_values()
        return [
            tr("{name}: {count} of its tensors fit no layer and were left out", name=path.name, count=len(stored))
            for path, stored in merge.left_out.items()
        ]

    @cached_property
    def _options(self) -> tuple[object, ...]:
        """What the transformer depends on besides its folder: two jobs with equal sets share a warm one."""
        plan = self.plan
        # Some releases keep the transformer at the root: without its name the key would be the checkpoint's.
        scaled = plan.numerics != "exact"
        return ("transformer", plan.float8_weights, plan.offload_blocks, scaled, lora_key(self._loras))

    def _merge(self, folder: Path) -> LoraMerge:
        return LoraMerge(self._loras, changeable_shapes(folder), partial=self._partial)

    @contextmanager
    def reading_ahead(self, folder: str) -> Iterator[None]:
        """Let a thread read the transformer below `folder` meanwhile, where it and the text encoder fit together."""
        source, text = self.checkpoint / folder, self.checkpoint / self._layout.text_encoder
        room = stored_bytes(source) + stored_bytes(text)
        is_warm = self._pool.is_warm(self._key(source, self.dtype, *self._options))
        if is_warm or self.plan.release_text_encoder or not self._pool.has_room(room):
            yield
            return
        coming = self._coming[source] = Beside(lambda report: self._build_transformer(source, report))
        try:
            yield
        finally:
            self._coming.pop(source, None)
            coming.end()

    def _transformer_at(self, source: Path) -> SkyReelsTransformer:
        if source in self._coming:
            return self._coming.pop(source).take(self._report)
        return self._build_transformer(source, self._report)

    def _crew(self) -> AbstractContextManager[Crew | None]:
        """The ranks that work with this process; None when it works alone."""
        if self.plan.ranks == 1:
            return nullcontext()
        return warm_crew(self._pool, self.plan.ranks, self.device, self._runtime.followers)

    def embed_prompt(self, prompt: str) -> Tensor:
        """Text features [1, 512, D] on the device, from the cache when this prompt was encoded before."""
        source = self.checkpoint / self._layout.text_encoder
        return PromptCache(self._runtime.cache_dir / "prompts").embed(
            prompt,
            weights=weights_id([source, self.tokenizer_folder]),
            dtype=self.dtype,
            device=self.device,
            encoder=self._prompt_encoder,
        )

    def where(self) -> dict[str, Any]:
        """What every loader is told."""
        return {"device": self.device, "report": self._report}

    def use(
        self, source: Path, dtype: torch.dtype, build: Callable[[], Any], *options: object
    ) -> AbstractContextManager[Any]:
        """The network read from `source` through the pool; `options` are what else `build` depends on."""
        return self._pool.use(self._key(source, dtype, *options), build, stored_bytes(source))

    def _key(self, source: Path, dtype: torch.dtype, *options: object) -> tuple[object, ...]:
        return (str(source), self.device, dtype, *options)

    @property
    def _text_key(self) -> tuple[object, ...]:
        return self._key(self.checkpoint / self._layout.text_encoder, self.dtype)

    def _prompt_encoder(self) -> AbstractContextManager[PromptEncoder]:
        source = self.checkpoint / self._layout.text_encoder
        return self.use(
            source,
            self.dtype,
            lambda: load_prompt_encoder(
                source,
                self.tokenizer_folder,
                dtype=self.dtype,
                prepared=self._prepared(source),
                **self.where(),
            ),
        )

    def _prepared(self, source: Path) -> Path | None:
        """A component's prepared file, where there is one and bfloat16 is what is computed in."""
        if self.dtype is not torch.bfloat16 or not source.is_dir():
            return None
        return prepared_file(self._runtime.cache_dir, source)

    def _build_transformer(self, folder: Path, report: Report) -> SkyReelsTransformer:
        plan = self.plan
        with self._merge(folder) if self._loras else nullcontext() as merge:
            network = self._layout.load_transformer(
                folder,
                device="cpu" if plan.offload_blocks else self.device,
                dtype=self.dtype,
                float8=plan.float8_weights,
                loras=merge,
                compute_device=self.device,
                prepared=self._prepared(folder),
                report=report,
            )
        if plan.offload_blocks:
            BlockOffload(network, self.device)
        elif plan.numerics != "exact" and not plan.float8_weights and self.device != "cpu":
            scales = use_scaled_linears(network)
            self._runtime.log(f"float8 products with one scale a {scales}")
            # What the weights took before they shrank is no work memory of the job.
            torch.cuda.reset_peak_memory_stats(self.device)
        return network


def stored_bytes(source: Path) -> int:
    """Bytes of a file, or of the tensor files directly in a folder: about what the network will take."""
    files = [source] if source.is_file() else source.glob("*.safetensors")
    return sum(file.stat().st_size for file in files)
