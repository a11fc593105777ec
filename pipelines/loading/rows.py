"""A table whose numbers stay in their file: an embedding that reads the rows it is asked for, and no others."""

from __future__ import annotations

import os
import weakref

import torch
from torch import Tensor, nn

from pipelines.front.errors import CheckpointMissing
from pipelines.front.language import tr
from pipelines.loading.reading import fill
from pipelines.loading.stored import StoredTensor


def has_rows(tensor: StoredTensor) -> bool:
    """Whether single rows of a tensor [N, D] can be read from its file: neither packed nor in a container."""
    return len(tensor.shape) == 2 and not tensor.blocks and tensor.value is None


class StoredRows(nn.Module):
    """Stands in for an embedding [N, D]; it takes no memory, and its file stays open for the next rows.

    So a file that is replaced or deleted meanwhile still gives the rows of the network that it was loaded with.
    """

    def __init__(self, tensor: StoredTensor, dtype: torch.dtype) -> None:
        """Raises CheckpointMissing when the file cannot be opened."""
        super().__init__()
        self._tensor, self._dtype = tensor, dtype
        self._row_bytes = tensor.shape[1] * tensor.dtype.itemsize
        try:
            self._file = os.open(tensor.file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise CheckpointMissing(
                tr("cannot read {file}: {error}. Download it again.", file=tensor.file, error=error)
            ) from error
        weakref.finalize(self, os.close, self._file)

    def forward(self, ids: Tensor) -> Tensor:
        """Rows [..., D] of whole numbers [...], on their device; each row is read once. Raises CheckpointMissing."""
        wanted, places = ids.cpu().unique(return_inverse=True)
        offsets = [self._tensor.offset + row * self._row_bytes for row in wanted.tolist()]
        for offset in offsets:
            # The disk may fetch all rows while the first is waited for.
            os.posix_fadvise(self._file, offset, self._row_bytes, os.POSIX_FADV_WILLNEED)
        rows = torch.empty(len(offsets), self._tensor.shape[1], dtype=self._tensor.dtype)
        for offset, row in zip(offsets, rows, strict=True):
            fill(self._file, offset, row.view(torch.uint8), self._tensor)
        return rows.to(ids.device, self._dtype)[places.to(ids.device)]
