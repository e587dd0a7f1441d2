"""How large a model sees a picture: limits, resampling and tiles, set in its own image processor.

    --min-pixels, --max-pixels    a picture is enlarged or reduced until its pixels lie within
    --tiles                       a large picture is cut into at most so many
    --resample                    the filter that resizes it
    --detail                      how closely a server's model looks at it

Each family has its own words for these, or none: what it has none for is refused by name. Without a flag the
folder's own settings hold, which are the published ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vlmbench.errors import ModelUsageError, UsageError
from vlmbench.model_files.picture_families import RESAMPLE, Settings, flags_of_family

DETAIL = ("low", "high", "auto")


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOptions:
    """What is to be set; None leaves the folder's own setting."""

    min_pixels: int | None = None
    max_pixels: int | None = None
    tiles: int | None = None
    resample: str | None = None
    detail: str | None = None
    """For servers: low, high or auto."""

    @property
    def given(self) -> dict[str, Any]:
        """The settings that are not None, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def checked(self) -> PictureOptions:
        """These options; refused where they contradict each other."""
        if self.resample is not None and self.resample not in RESAMPLE:
            raise UsageError(f"`{self.resample}` is none of {', '.join(RESAMPLE)}.", key="--resample")
        if self.detail is not None and self.detail not in DETAIL:
            raise UsageError(f"`{self.detail}` is none of {', '.join(DETAIL)}.", key="--detail")
        for name in ("min_pixels", "max_pixels", "tiles"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise UsageError(f"`{value}` is not a whole number from 1.", key=flag_of(name))
        if self.min_pixels and self.max_pixels and self.min_pixels > self.max_pixels:
            raise UsageError(
                f"at least {self.min_pixels} pixels and at most {self.max_pixels} contradict each other.",
                key="--min-pixels",
            )
        return self


AS_PUBLISHED = PictureOptions()


def set_pictures(processor: Any, config: Any, options: PictureOptions) -> Settings:
    """Set the options in a loaded processor and in its model's configuration where that has a part in it.

    Returns what is set, by the image processor's own names.
    """
    pictures, kind = processor.image_processor, type(processor.image_processor).__name__
    known = flags_of_family(pictures)
    found: Settings = {}
    for name, value in options.checked().given.items():
        if name not in known:
            raise ModelUsageError(
                f"this model's {kind} has no such setting.",
                key=flag_of(name),
                fix=f"Its family has {', '.join(map(flag_of, known))}.",
            )
        settings = known[name].write(pictures, config, value)
        _apply(processor, config, settings)
        found |= settings
    return found


def _apply(processor: Any, config: Any, settings: Settings) -> None:
    pictures = processor.image_processor
    for name, value in settings.items():
        kind: Any = type(getattr(pictures, name, None))
        if name == "size" and kind is not dict:
            setattr(pictures, name, kind(**value))
        else:
            setattr(pictures, name, kind(value) if name == "resample" else value)
        for other in (processor, config):
            if hasattr(other, name):
                setattr(other, name, value)
    _replace_defaults(processor, settings)


def _replace_defaults(processor: Any, settings: Settings) -> None:
    """Settings that the processor itself hands to its image processor with each call (Gemma 3's)."""
    given = _defaults(processor)
    if new := {name: value for name, value in settings.items() if name in given}:
        taken = processor.valid_processor_kwargs
        defaults = {**taken._defaults, "images_kwargs": {**given, **new}}
        own = {"__annotations__": taken.__annotations__, "_defaults": defaults}
        # A class of this processor's own: the others of its kind keep the published settings.
        processor.valid_processor_kwargs = type(taken.__name__, (), own)


def _defaults(processor: Any) -> Mapping[str, Any]:
    taken = getattr(processor, "valid_processor_kwargs", None)
    found: Mapping[str, Any] = getattr(taken, "_defaults", {}).get("images_kwargs", {})
    return found


class HeldSettings:
    """The settings that hold, as attributes; None where there is no such setting."""

    def __init__(self, processor: Any) -> None:
        self.processor, self.pictures = processor, processor.image_processor
        self.kind = type(self.pictures).__name__
        self._given = _defaults(processor)

    def __getattr__(self, name: str) -> Any:
        return self._given.get(name, getattr(self.pictures, name, None))


def picture_facts(processor: Any) -> dict[str, Any]:
    """Limits, tiles and filter that hold, by our names, and what else decides, by the image processor's."""
    held = HeldSettings(processor)
    ours = {name: flag.read(held) for name, flag in flags_of_family(processor.image_processor).items()}
    named = {name: getattr(held, name) for name in _SHOWN}
    plain = {name: dict(value) if hasattr(value, "longest_edge") else value for name, value in named.items()}
    return {name: value for name, value in {**ours, **plain}.items() if value is not None}


def picture_line(facts: Mapping[str, Any]) -> str:
    """The facts that a flag sets, and the sizes that none sets, as a run prints them."""
    ours = [f"{name.replace('_', ' ')} {facts[name]}" for name in PictureOptions.__slots__ if name in facts]
    is_limited = "max_pixels" in facts
    sizes = [f"{name.replace('_', ' ')} {_edges(facts[name])}" for name in _SIZES if name in facts]
    return ", ".join(ours if is_limited else [*ours, *sizes])


def _edges(size: Any) -> str:
    if not isinstance(size, Mapping):
        return str(size)
    if {"height", "width"} <= size.keys():
        return f"{size['width']}x{size['height']}"
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in size.items())


_SIZES = ("size", "crop_size", "max_image_size")
_SHOWN = (
    *_SIZES,
    "do_image_splitting",
    "image_grid_pinpoints",
    "crop_to_patches",
    "min_patches",
    "max_patches",
    "do_pan_and_scan",
    "pan_and_scan_max_num_crops",
    "max_image_tiles",
    "slice_mode",
    "max_slice_nums",
    "scale_resolution",
)


def flag_of(name: str) -> str:
    """The option's flag."""
    return f"--{name.replace('_', '-')}"
