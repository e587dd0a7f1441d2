"""What a training recipe says about the checkpoint that was trained with it.

vlmbench's recipe is YAML, or the JSON that `vlmbench recipes show NAME --format json` prints. xtuner's is a
Python file, which is parsed and never run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vlmbench.errors import UserError
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
        raise UserError(f"the recipe cannot be read ({error}).", file=file, fix="Check the path.") from None
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
        written = yaml.safe_load(text)  # JSON is YAML
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
    try:
        tree = ast.parse(text)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error)) from None
    names = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    model = _settings(names.get("model"))
    llm, tower = _settings(model.get("llm")), _settings(model.get("visual_encoder"))

    def value(node: ast.expr | None) -> Any:
        return _value(node, names)

    template = value(names.get("prompt_template")) or next(
        (value(node) for key, node in _everywhere(tree) if key == "template"), None
    )
    return RecipeFacts(
        llm=_text(value(llm.get("pretrained_model_name_or_path"))),
        vision=_text(value(tower.get("pretrained_model_name_or_path"))),
        template=_template(template),
        select_layer=_whole(value(model.get("visual_select_layer"))),
        llm_alpha=_number(value(_settings(model.get("llm_lora")).get("lora_alpha"))),
        vision_alpha=_number(value(_settings(model.get("visual_encoder_lora")).get("lora_alpha"))),
    )


def _settings(node: ast.expr | None) -> Mapping[str, ast.expr]:
    """The arguments of `dict(…)`, or the entries of `{…}`."""
    if isinstance(node, ast.Call):
        return {word.arg: word.value for word in node.keywords if word.arg}
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {key.value: value for key, value in pairs if isinstance(key, ast.Constant)}  # type: ignore[misc]
    return {}


def _everywhere(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Call, ast.Dict)):
            yield from _settings(node).items()


def _value(node: ast.expr | None, names: Mapping[str, ast.expr], depth: int = 8) -> Any:
    """A literal, the literal that a name stands for, or the last part of `PROMPT_TEMPLATE.vicuna`."""
    if isinstance(node, ast.Name) and depth:
        return _value(names.get(node.id), names, depth - 1)
    if isinstance(node, ast.Attribute):
        return node.attr
    try:
        return None if node is None else ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _template(value: object) -> str | None:
    """`vicuna`, also out of `xtuner.utils.PROMPT_TEMPLATE.vicuna`."""
    last = value.rpartition(".")[2] if isinstance(value, str) else None
    return last if last in TEMPLATES else None
