"""What the networks take from diffusers and transformers, imported without what nothing here uses; knows no network.

Both import scipy's statistics and solvers, a tenth of an engine's start, for noise schedules and losses of training.
They ask once whether scipy is there. Told that it is not, they go on without; everybody else imports it as ever.
"""

import diffusers.utils
import transformers.utils

diffusers.utils.is_scipy_available = transformers.utils.is_scipy_available = lambda: False

from diffusers import AutoencoderKLWan  # noqa: E402
from diffusers.configuration_utils import ConfigMixin, register_to_config  # noqa: E402
from diffusers.loaders import PeftAdapterMixin  # noqa: E402
from diffusers.models.modeling_utils import ModelMixin  # noqa: E402
from transformers import (  # noqa: E402
    CLIPVisionConfig,
    CLIPVisionModel,
    PreTrainedTokenizerFast,
    UMT5Config,
    UMT5EncoderModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
)

__all__ = [
    "AutoencoderKLWan",
    "CLIPVisionConfig",
    "CLIPVisionModel",
    "ConfigMixin",
    "ModelMixin",
    "PeftAdapterMixin",
    "PreTrainedTokenizerFast",
    "UMT5Config",
    "UMT5EncoderModel",
    "Wav2Vec2Config",
    "Wav2Vec2Model",
    "register_to_config",
]
