"""From a prompt to text features: the checkpoint's own tokenizer, the UMT5 encoder and a cache on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from pipelines.front.durable import make_folder, write_whole
from pipelines.front.errors import CheckpointMismatch, CheckpointMissing
from pipelines.front.language import tr
from pipelines.front.progress import Report, ignore_progress
from pipelines.front.prompts import PROMPT_TOKENS, clean_prompt, may_be_cut
from pipelines.loading.keymap import UMT5_ENCODER, KeyMap
from pipelines.loading.load import (
    STORED_AS_IS,
    Precision,
    load_network,
    read_config,
    stored_shapes,
    tensor_files,
)
from pipelines.loading.rows import StoredRows, has_rows
from pipelines.loading.stored import StoredTensor, stored_tensors
from pipelines.models.library import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

_TABLE, _TIED = "shared.weight", "encoder.embed_tokens.weight"


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Load `tokenizer.json` itself: transformers' T5 classes rebuild it and lose its byte fallback."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise CheckpointMissing(tr("{path} is missing: download the model's tokenizer again", path=path))
    return PreTrainedTokenizerFast(tokenizer_file=str(path), pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


class PromptEncoder(nn.Module):
    """Tokenizer and UMT5 encoder together."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, encoder: UMT5EncoderModel) -> None:
        super().__init__()
        self.tokenizer, self.encoder = tokenizer, encoder

    def tokenize(self, prompt: str, length: int = PROMPT_TOKENS) -> tuple[Tensor, Tensor]:
        """Ids and attention mask, int64 [1, length], of a cleaned prompt; the end token survives truncation."""
        batch = self.tokenizer(
            [prompt],
            padding="max_length",
            max_length=length,
            truncation=True,
            add_special_tokens=True,
            return_attention_mask=True,
            return_tensors="pt",
        )
        return batch.input_ids, batch.attention_mask

    def hidden(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Last hidden state [1, length, D], rows of padding included."""
        device = self.encoder.device
        return self.encoder(ids.to(device), attention_mask=mask.to(device)).last_hidden_state

    @torch.inference_mode()
    def forward(self, prompt: str, length: int = PROMPT_TOKENS) -> Tensor:
        """Clean and encode a prompt: [1, length, D] in the encoder's dtype, rows of padding exactly 0."""
        ids, mask = self.tokenize(clean_prompt(prompt), length)
        hidden = self.hidden(ids, mask)
        return torch.where(mask.to(hidden.device)[..., None].bool(), hidden, torch.zeros_like(hidden))


def cut_warning(prompt: str, tokenizer_folder: Path) -> str:
    """Say that a prompt is too long and how long it is, or ''."""
    cleaned = clean_prompt(prompt)
    if not may_be_cut(cleaned):
        return ""
    count = len(load_tokenizer(tokenizer_folder)(cleaned).input_ids)
    if count <= PROMPT_TOKENS:
        return ""
    return tr(
        "the prompt has {count} tokens: the model read the first {read} and ignored the rest",
        count=count,
        read=PROMPT_TOKENS - 1,
    )


def load_prompt_encoder(
    source: Path,
    tokenizer_folder: Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    prepared: Path | None = None,
    report: Report = ignore_progress,
) -> PromptEncoder:
    """Load a transformers folder, or a `.pth` in the original layout whose sizes are read off its tensors.

    `prepared` is a file with the folder's tensors in `dtype`, which is read instead of them. The token table stays in
    its file, which is kept open: every prompt reads its own rows.
    """
    if source.suffix == ".pth":
        config, files, keymap = _config_of(stored_shapes([source])), [source], UMT5_ENCODER
    else:
        config = UMT5Config(**read_config(source))
        files, keymap = [prepared] if prepared else tensor_files(source), STORED_AS_IS
    table = _table(files, keymap, (config.vocab_size, config.d_model))

    def build() -> UMT5EncoderModel:
        encoder = UMT5EncoderModel(config)
        if table is not None:
            encoder.set_input_embeddings(nn.Identity())
        return encoder

    encoder = load_network(
        build,
        files,
        keymap=keymap,
        precision=Precision(dtype),
        device=device,
        tied={_TIED: _TABLE},
        allowed_extra=() if table is None else (_TABLE, _TIED),
        report=report,
    )
    encoder.set_input_embeddings(encoder.shared if table is None else StoredRows(table, dtype))
    if not encoder.shared(torch.arange(min(1024, config.vocab_size), device=encoder.device)).any():
        raise CheckpointMismatch(str(source), missing=[f"{_TIED} (all zeros)"])
    return PromptEncoder(load_tokenizer(tokenizer_folder), encoder)


def _table(files: Sequence[Path], keymap: KeyMap, shape: tuple[int, int]) -> StoredTensor | None:
    """The token table, where it has this shape and single rows of it can be read from its file."""
    stored = (tensor for file in files for tensor in stored_tensors(file))
    found = next((tensor for tensor in stored if _TABLE in keymap.rename(tensor.name)), None)
    return found if found is not None and has_rows(found) and found.shape == shape else None


def _config_of(shapes: dict[str, tuple[int, ...]]) -> UMT5Config:
    """Sizes of an encoder in the original layout."""
    vocab_size, d_model = shapes["token_embedding.weight"]
    buckets, num_heads = shapes["blocks.0.pos_embedding.embedding.weight"]
    numbers = [int(name.split(".")[1]) for name in shapes if name.startswith("blocks.")]
    return UMT5Config(
        vocab_size=vocab_size,
        d_model=d_model,
        d_kv=shapes["blocks.0.attn.q.weight"][0] // num_heads,
        d_ff=shapes["blocks.0.ffn.fc1.weight"][0],
        num_layers=1 + max(numbers),
        num_heads=num_heads,
        relative_attention_num_buckets=buckets,
        relative_attention_max_distance=128,
        layer_norm_epsilon=1e-6,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )


def weights_id(paths: Iterable[Path]) -> str:
    """Name a set of files by path, size and time of change, so that replaced weights are other weights."""
    digest = hashlib.sha256()
    for path in paths:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            stat = file.stat()
            digest.update(f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
    return digest.hexdigest()


class PromptCache:
    """Text features on disk, by weights, cleaned prompt and dtype."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, weights: str, prompt: str, dtype: torch.dtype) -> Path:
        """Where the features of a prompt lie."""
        key = "\0".join((weights, clean_prompt(prompt), str(dtype)))
        return self.folder / f"{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}.safetensors"

    def embed(
        self,
        prompt: str,
        *,
        weights: str,
        dtype: torch.dtype,
        device: str | torch.device,
        encoder: Callable[[], AbstractContextManager[PromptEncoder]],
    ) -> Tensor:
        """Features [1, 512, D] on `device`: from disk, else encoded inside `encoder()` and stored."""
        path = self.path(weights, prompt, dtype)
        try:
            rows = load_file(path)["rows"]
        except (OSError, SafetensorError, KeyError):
            with encoder() as model:
                features = model(prompt)
            used = int(features[0].any(-1).nonzero().max()) + 1
            rows = features[0, :used].cpu().contiguous()
            make_folder(self.folder)
            write_whole(path, save({"rows": rows}))
        padded = torch.zeros(1, PROMPT_TOKENS, rows.shape[1], dtype=dtype)
        padded[0, : len(rows)] = rows
        return padded.to(device)
