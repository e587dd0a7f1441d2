"""Language models held in 4 or 8 bits (bitsandbytes); tower, projector and output layer stay as they are."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from vlmbench.errors import ModelError, UserError
from vlmbench.model_files.loading import check_report
from vlmbench.model_files.silence import first_line, quiet

PACKED = 32
"""On a CPU bitsandbytes packs the outputs of a layer by so many."""


def load_quantised(folder: Path, config: Any, *, bits: int, device: str, dtype: str) -> Any:
    """The model with its language model's linear layers in `bits` bits.

    Four bits are nf4 with double quantisation, as in QLoRA; eight are LLM.int8. Both run on a CPU. What is
    not quantised, and sums, are in `dtype`.
    """
    import torch
    from transformers import AutoModelForImageTextToText, BitsAndBytesConfig

    _check_package()
    summed = torch.bfloat16 if dtype == "auto" else getattr(torch, dtype)
    how = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=bits == 4,
        load_in_8bit=bits == 8,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=summed,
        llm_int8_skip_modules=kept_whole(config),
    )
    auto: Any = AutoModelForImageTextToText
    try:
        with quiet():
            model, report = auto.from_pretrained(
                folder,
                dtype=summed,
                device_map={"": device},
                quantization_config=how,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
    # As for unquantised weights: configuration, weights and device do not fit together.
    except Exception as error:
        raise ModelError(
            f"the weights cannot be loaded in {bits} bits ({first_line(error)}).",
            file=folder,
            fix="Try without `--bits`.",
        ) from error
    check_report(report, folder)
    return model.eval()


def kept_whole(config: Any) -> list[str]:
    """Linear layers that are not the language model's, the output layer, and what is too small to pack."""
    import torch
    from transformers import AutoModelForImageTextToText

    auto: Any = AutoModelForImageTextToText
    with quiet(), torch.device("meta"):
        model = auto.from_config(config)
    decoder = {id(module) for module in model.get_decoder().modules()}
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and (id(module) not in decoder or module.out_features % PACKED)
    ]


def _check_package() -> None:
    # It says at every layer that it casts, which is what it is there for.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        import bitsandbytes  # noqa: F401
    except ImportError:
        raise UserError(
            "quantised models need bitsandbytes, which is not installed.",
            key="--bits",
            fix="Run: pip install bitsandbytes",
        ) from None
