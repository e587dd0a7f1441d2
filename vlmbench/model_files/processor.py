"""The processor of a model folder: tokenizer, image processor and chat template.

Pictures go through the Pillow form of an image processor wherever there is one, so that a score
does not depend on whether torchvision happens to be installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlmbench.errors import ModelError
from vlmbench.model_files.folder import PROCESSOR_FILES, read_json
from vlmbench.model_files.picture_values import check_picture_values
from vlmbench.model_files.silence import first_line, quiet
from vlmbench.templates import chat_template
from vlmbench.templates import template as template_named
from vlmbench.templates.table import family_template

_NAMED_IN = ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json")
_VIDEO = {"slice_mode": True, "downsample_mode": "16x"}
"""What processors read from their video processor when they are made (MiniCPM-V); no still depends on it."""
_LLAVA_KINDS = ("llava", "llava_next", "vipllava")


def load_processor(
    folder: Path, config: Any, *, trust_remote_code: bool = False, template: str | None = None
) -> Any:
    """The processor, with a tokenizer that pads on the left and a chat template.

    `template` names a chat template to use instead of the folder's own.
    """
    for file in (folder / name for name in PROCESSOR_FILES if (folder / name).is_file()):
        check_picture_values(read_json(file), file)
    try:
        with quiet():
            processor = _load(folder, config, trust_remote_code)
    # Any error of transformers here means that the folder's files do not fit together.
    except Exception as error:
        raise _explained(error, folder) from error
    return completed(processor, config, folder, template=template)


def completed(processor: Any, config: Any, folder: Path | None, *, template: str | None = None) -> Any:
    """The same processor with what it lacks; `folder` None: it was not read from one."""
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None or not hasattr(processor, "image_processor"):
        raise ModelError(
            f"the processor is a {type(processor).__name__}, which does not read text and pictures.",
            file=folder and _where(folder),
            fix="Copy processor_config.json or preprocessor_config.json from the model's source."
            if folder
            else "Load one with transformers' `AutoProcessor.from_pretrained`.",
        )
    _find_template(processor, folder, config, template)
    _complete_llava(processor, config)
    return ready(processor)


def ready(processor: Any) -> Any:
    """The processor, with a tokenizer that pads on the left."""
    tokenizer = processor.tokenizer
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        # The model never sees it: the attention mask excludes padding.
        tokenizer.pad_token = tokenizer.eos_token
    return processor


def _load(folder: Path, config: Any, trust_remote_code: bool) -> Any:
    kind = _processor_class(folder, config, trust_remote_code)
    if kind is None:
        from transformers import AutoProcessor

        auto: Any = AutoProcessor
        return auto.from_pretrained(folder, trust_remote_code=trust_remote_code)
    # What ProcessorMixin.from_pretrained does, with a choice at each part.
    settings, rest = kind.get_processor_dict(folder)
    parts = [_part(name, folder, trust_remote_code) for name in kind.get_attributes()]
    return kind.from_args_and_dict(parts, settings, **rest)


def _processor_class(folder: Path, config: Any, trust_remote_code: bool) -> Any:
    """The processor's class as the folder names it, or as its kind of model has it; None for foreign code."""
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING, processor_class_from_name

    for name in _NAMED_IN:
        document = read_json(folder / name) if (folder / name).is_file() else {}
        if trust_remote_code and "AutoProcessor" in document.get("auto_map", {}):
            return None
        if "processor_class" in document:
            return _without_video(processor_class_from_name(document["processor_class"]))
    return _without_video(PROCESSOR_MAPPING.get(type(config), None))


def _without_video(kind: Any) -> Any:
    """The class, but needing no video processor: pictures never use it, and it requires torchvision."""
    if kind is None or "video_processor" not in kind.get_attributes():
        return kind

    class StillsOnly(kind):  # type: ignore[misc]
        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if argument_name == "video_processor":
                return type(argument)
            return super().check_argument_for_proper_class(argument_name, argument)

    StillsOnly.__name__ = kind.__name__
    return StillsOnly


def _part(name: str, folder: Path, trust_remote_code: bool) -> Any:
    from transformers import AutoFeatureExtractor, AutoImageProcessor, AutoTokenizer

    pictures: Any = AutoImageProcessor
    if name == "image_processor":
        return pictures.from_pretrained(folder, backend="pil", trust_remote_code=trust_remote_code)
    if name == "video_processor":
        from transformers.video_processing_utils import BaseVideoProcessor

        stand_in: Any = BaseVideoProcessor
        return stand_in(**_VIDEO)
    auto = AutoTokenizer if "tokenizer" in name else AutoFeatureExtractor
    return auto.from_pretrained(folder, trust_remote_code=trust_remote_code)


def _find_template(processor: Any, folder: Path | None, config: Any, wanted: str | None) -> None:
    if wanted is not None:
        processor.chat_template = chat_template(template_named(wanted))
    if getattr(processor, "chat_template", None) is None:
        processor.chat_template = getattr(processor.tokenizer, "chat_template", None)
    if processor.chat_template is None:
        raise _no_template(folder, processor, config)


def _no_template(folder: Path | None, processor: Any, config: Any) -> ModelError:
    """The error where there is no chat template; for a folder it names the flag for its family's."""
    if folder is None:
        return ModelError(
            "the processor has no chat template, so it is unknown how this model has to be prompted.",
            fix="Set `processor.chat_template`.",
        )
    text = config.get_text_config(decoder=True).to_dict()
    guess = family_template(str(text.get("model_type")), processor.tokenizer.get_vocab())
    hint = f"--template {guess} uses its family's." if guess else "--template NAME names one."
    return ModelError(
        "the chat template is missing, so it is unknown how this model has to be prompted.",
        file=folder / "chat_template.jinja",
        fix=f"Copy it from the model's source; or {hint}",
    )


def stops_of(template: str | None, tokenizer: Any) -> list[int]:
    """The tokens that end an answer under this template; none without one."""
    known = tokenizer.get_vocab()
    words = () if template is None else template_named(template).stop_words
    return [known[word] for word in words if word in known]


def _complete_llava(processor: Any, config: Any) -> None:
    """Fill in what older LLaVA folders lack: how many tokens a picture takes."""
    if config.model_type not in _LLAVA_KINDS or getattr(processor, "patch_size", None) is not None:
        return
    processor.patch_size = config.vision_config.patch_size
    processor.vision_feature_select_strategy = config.vision_feature_select_strategy
    # A CLIP tower puts out a class token besides its patches, a SigLIP tower does not.
    processor.num_additional_image_tokens = int(config.vision_config.model_type == "clip_vision_model")


def mean_colour(processor: Any) -> tuple[int, int, int]:
    """What `square` pads with: an image processor's mean, cut to whole numbers as the LLaVA tools do.

    Takes a whole processor or an image processor.
    """
    return colour_of(getattr(getattr(processor, "image_processor", processor), "image_mean", None))


def colour_of(mean: Any) -> tuple[int, int, int]:
    """A mean from 0 to 1, one number or three, as a colour; None is the middle."""
    mean = mean or 0.5
    red, green, blue = [mean] * 3 if isinstance(mean, (int, float)) else mean
    return int(red * 255), int(green * 255), int(blue * 255)


def _explained(error: Exception, folder: Path) -> ModelError:
    if isinstance(error, ModelError):
        return error
    if isinstance(error, ImportError):
        return ModelError(
            f"this model's processor needs a package that is not installed ({first_line(error)}).",
            file=_where(folder),
            fix="Install it and run the same command again.",
        )
    return ModelError(
        f"the processor cannot be loaded ({first_line(error)}).",
        file=_where(folder),
        fix="Compare the folder's tokenizer and processor files with the model's source.",
    )


def _where(folder: Path) -> Path:
    """The file to name in an error: the first description of a processor that exists."""
    return next((folder / name for name in _NAMED_IN if (folder / name).is_file()), folder)
