"""What a training recipe says about the checkpoint that was trained with it.

vlmbench's recipe is YAML, or the JSON that `vlmbench recipes show NAME --format json` prints. xtuner's is a
Python file, which is parsed and never run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vlmbench.errors import UsageError, UserError
from vlmbench.files.json_files import parse_yaml
from vlmbench.files.python_values import Symbol, python_values
from vlmbench.templates import TEMPLATES


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeFacts:
    """None: the file does not say it, or only as the result of code."""

    llm: str | None = None
    vision: str | None = None
    template: str | None = None
    select_layer: int | None = None
    llm_alpha: float | None = None
    vision_alpha: float | None = None


def open_recipe(file: Path) -> RecipeFacts:
    """The recipe in a file: YAML or JSON by its ending, and otherwise Python."""
    try:
        text = file.read_text("utf-8")
        return own_recipe(text) if file.suffix in (".yaml", ".yml", ".json") else xtuner_recipe(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the recipe cannot be read ({error}).", file=file, fix="Check the path.") from None
    except SyntaxError as error:
        raise UserError(
            f"this is not a Python configuration (line {error.lineno}).", file=file, fix="Check the path."
        ) from None
    except ValueError as error:
        raise UserError(
            f"this is not a recipe ({error}).",
            file=file,
            fix="`vlmbench recipes show NAME --format json` prints a complete one.",
        ) from None


def facts_with_notes(given: RecipeFacts, notes: Mapping[str, Any]) -> RecipeFacts:
    """The given facts, and for the rest the configuration that mmengine keeps in its checkpoints."""
    meta = notes.get("meta")
    text = meta.get("cfg") if isinstance(meta, Mapping) else None
    if not isinstance(text, str):
        return given
    try:
        kept = xtuner_recipe(text)
    except SyntaxError:
        return given
    stated = {name: getattr(given, name) for name in RecipeFacts.__slots__}
    return replace(kept, **{name: value for name, value in stated.items() if value is not None})


def own_recipe(text: str) -> RecipeFacts:
    """A recipe of vlmbench; raises ValueError where the text is something else."""
    import yaml

    try:
        written = parse_yaml(text)  # JSON is YAML
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    if not isinstance(written, dict):
        raise ValueError("it has no `model`")
    return facts_of_values(written)


def facts_of_values(written: Mapping[str, Any]) -> RecipeFacts:
    """The values of a recipe of vlmbench; raises ValueError where they are something else's."""
    if not isinstance(written.get("model"), dict):
        raise ValueError("it has no `model`")
    language, vision = (_part(written["model"], name) for name in ("language", "vision"))
    return RecipeFacts(
        llm=_text(language.get("path")),
        vision=_text(vision.get("path")),
        template=_template(_part(written, "wording").get("template")),
        select_layer=_whole(vision.get("select_layer")),
        llm_alpha=_number(_part(language, "lora").get("alpha")),
        vision_alpha=_number(_part(vision, "lora").get("alpha")),
    )


def _part(mapping: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = mapping.get(name)
    return found if isinstance(found, Mapping) else {}


def xtuner_recipe(text: str) -> RecipeFacts:
    """A configuration of xtuner; raises SyntaxError where the text is not Python."""
    names = python_values(text)
    model = _part(names, "model")

    def alpha(name: str) -> float | None:
        return _number(_part(model, name).get("lora_alpha"))

    template = _template(names.get("prompt_template"))
    if template is None:
        template = next(
            (found for value in _under_template(names, set()) if (found := _template(value))), None
        )
    return RecipeFacts(
        llm=_text(_part(model, "llm").get("pretrained_model_name_or_path")),
        vision=_text(_part(model, "visual_encoder").get("pretrained_model_name_or_path")),
        template=template,
        select_layer=_whole(model.get("visual_select_layer")),
        llm_alpha=alpha("llm_lora"),
        vision_alpha=alpha("visual_encoder_lora"),
    )


def _under_template(value: Any, walked: set[int]) -> Iterator[Any]:
    """What stands under a key `template`, anywhere; each part once, however many names stand for it."""
    if id(value) in walked or not isinstance(value, (dict, list)):
        return
    walked.add(id(value))
    if isinstance(value, dict) and "template" in value:
        yield value["template"]
    for inner in value.values() if isinstance(value, dict) else value:
        yield from _under_template(inner, walked)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value and not isinstance(value, Symbol) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _template(value: object) -> str | None:
    """`vicuna`, also out of `xtuner.utils.PROMPT_TEMPLATE.vicuna`."""
    last = value.rpartition(".")[2] if isinstance(value, str) else None
    return last if last in TEMPLATES else None
