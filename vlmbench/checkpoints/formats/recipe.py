"""What a training recipe tells of the checkpoint it made.

Ours is YAML, or the JSON that `vlmbench recipes show NAME --format json` prints. xtuner's is a Python
file, and it is read, never run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.errors import UserError
from vlmbench.templates import TEMPLATES


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """As far as the file says so in plain words."""

    llm: str | None = None
    vision: str | None = None
    template: str | None = None
    select_layer: int | None = None
    llm_alpha: float | None = None
    vision_alpha: float | None = None


def open_recipe(file: Path) -> Recipe:
    """The recipe in a file, told by its ending."""
    try:
        text = file.read_text("utf-8")
        return own_recipe(text) if file.suffix in (".yaml", ".yml", ".json") else recipe_of(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the recipe cannot be read ({error}).", file=file, fix="Check the path.") from None
    except SyntaxError as error:
        raise UserError(
            f"this is no Python configuration (line {error.lineno}).", file=file, fix="Check the path."
        ) from None
    except ValueError as error:
        raise UserError(
            f"this is no recipe ({error}).",
            file=file,
            fix="`vlmbench recipes show NAME --format json` prints one whole.",
        ) from None


def own_recipe(text: str) -> Recipe:
    """One of our own, whole; a ValueError says what it is instead."""
    import yaml

    try:
        written = yaml.safe_load(text)  # JSON is YAML
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    if not isinstance(written, dict) or not isinstance(written.get("model"), dict):
        raise ValueError("it has no `model`")
    language, vision = (_part(written["model"], name) for name in ("language", "vision"))
    return Recipe(
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


def recipe_of(text: str) -> Recipe:
    """The configuration in a text; a SyntaxError says why there is none."""
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

    def said(node: ast.expr | None) -> Any:
        return _value(node, names)

    template = said(names.get("prompt_template")) or next(
        (said(node) for key, node in _everywhere(tree) if key == "template"), None
    )
    return Recipe(
        llm=_text(said(llm.get("pretrained_model_name_or_path"))),
        vision=_text(said(tower.get("pretrained_model_name_or_path"))),
        template=_template(template),
        select_layer=_whole(said(model.get("visual_select_layer"))),
        llm_alpha=_number(said(_settings(model.get("llm_lora")).get("lora_alpha"))),
        vision_alpha=_number(said(_settings(model.get("visual_encoder_lora")).get("lora_alpha"))),
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
