"""Prompt styles from YAML: those of this folder by name, a user's own by path.

title: My model             whose words these are
extends: vlmevalkit         what is not written here is as in that style
models: [my_vl]             it is the default where config.json has this model_type
names: ["*my-vl*"]          or, behind a server, where its name there is like this
fit: square                 pictures padded to a square (default: native)
source: where its sentences stand, one text or a list
system: You are helpful.    any field of `QuestionWording`, for every question
multiple-choice:            or for a family of benchmarks
  text: "{hint}{question}\\n{options}\\nAnswer with a letter."
benchmarks:                 or for benchmarks by name
  MMMU_*, MathVista_MINI:
    tokens: 4096
  "MathVista_MINI[question_type=multi_choice]":  only rows with this cell
variants:                   `--prompt NAME:cot`
  cot: the same keys
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

from vlmbench.decoding import SETTINGS, Decoding, changed
from vlmbench.domain import ImageFit
from vlmbench.errors import UnknownName, UsageError
from vlmbench.files.yaml_lines import LinedYaml, read_lined_yaml
from vlmbench.prompts.style import FIELDS, NamedWording, PromptStyle, QuestionWording, over

FALLBACK = "vlmevalkit"
FAMILIES = ("multiple-choice", "yes-no", "short-answer", "caption", "judged")
WORDS = {f.name.replace("_", "-"): f.name for f in dataclasses.fields(QuestionWording)}
"""A key of the file and the field of `QuestionWording` that it is."""
ABOUT_ANY = ("title", "fit", "source", "benchmarks")
"""Keys beside the words, of a style and of its variants."""
ABOUT_STYLE = (*ABOUT_ANY, "extends", "models", "names", "variants")
_TEMPLATES = ("text", "open", "chinese", "open-chinese")
_NAMED = re.compile(r"([^\[\]]+?)(?:\[([^\[\]=]+)=([^\[\]]*)\])?")
_BRACES = re.compile(r"\{([a-z]+)\}")
_SUFFIXES = (".yaml", ".yml")


def style_names() -> tuple[str, ...]:
    """Every style of this folder with its variants, VLMEvalKit's default first."""
    names = sorted((file.stem for file in _FOLDER.glob("*.yaml")), key=lambda name: (name != FALLBACK, name))
    return tuple(full for name in names for full in (name, *_variants(name)))


def prompt_style(name: str) -> PromptStyle:
    """The style of a name, `NAME:VARIANT`, or in a file of the user's."""
    path, variant = split_name(name)
    if path.suffix not in _SUFFIXES:
        return _shipped(name)
    try:
        state = path.stat()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}.", file=path, key="--prompt") from None
    return _from_file(path, variant, name, (state.st_mtime_ns, state.st_size))


_FOLDER = Path(__file__).parent


@cache
def _shipped(name: str) -> PromptStyle:
    stem, _, variant = name.partition(":")
    file = _FOLDER / f"{stem}.yaml"
    if not re.fullmatch(r"[\w.-]+", stem) or not file.is_file() or (variant and name not in _variants(stem)):
        raise UnknownName(
            "prompt style", name, style_names(), fix="A style of your own is a file: --prompt mine.yaml"
        )
    return read_style(read_lined_yaml(file), name, variant)


@cache
def _from_file(path: Path, variant: str, name: str, _state: tuple[int, int]) -> PromptStyle:
    return read_style(read_lined_yaml(path), name, variant)


def split_name(name: str) -> tuple[Path, str]:
    """Path and variant; `mine.yaml:cot` has both. A shipped style's name is a path to no file."""
    stem, colon, variant = name.rpartition(":")
    if colon and stem.endswith(_SUFFIXES):
        return Path(stem).expanduser(), variant
    return Path(name).expanduser(), ""


@cache
def _variants(name: str) -> tuple[str, ...]:
    found = read_lined_yaml(_FOLDER / f"{name}.yaml").value.get("variants", {})
    return tuple(f"{name}:{variant}" for variant in found)


def read_style(file: LinedYaml, name: str, variant: str = "") -> PromptStyle:
    """The style in a file; a UserError names file, line and key of what is wrong."""
    document = file.mapping(())
    file.check_keys((), (*ABOUT_STYLE, *WORDS, *FAMILIES))
    base = file.value.get("extends")
    style = _base(file, base) if base is not None else PromptStyle(name=name, title="")
    style = _layer(style, file, (), document)
    variants = file.mapping(("variants",)) if "variants" in document else {}
    for key in variants:
        file.check_keys(("variants", key), (*ABOUT_ANY, *WORDS, *FAMILIES))
        changed = _layer(style, file, ("variants", key), file.mapping(("variants", key)))
        if key == variant:
            style = changed
            break
    else:
        if variant:
            raise UnknownName("variant", variant, map(str, variants), fix=f"It would stand in {file.path}.")
    if variant:  # not a default, whatever its base is
        return dataclasses.replace(style, name=name, models=(), names=())
    models, names = (_texts(file, (key,), document.get(key, [])) for key in ("models", "names"))
    return dataclasses.replace(style, name=name, models=models, names=names)


def _base(file: LinedYaml, name: Any) -> PromptStyle:
    if not isinstance(name, str) or name not in style_names():
        raise file.error(("extends",), f"names no prompt style: `{name}`.{_near(str(name), style_names())}")
    return prompt_style(name)


def _layer(
    style: PromptStyle, file: LinedYaml, path: tuple[str, ...], document: Mapping[str, Any]
) -> PromptStyle:
    """The style with what one mapping of the file changes."""
    families = dict(style.families)
    for family in FAMILIES:
        if family in document:
            families[family] = over(families.get(family, {}), _words(file, (*path, family)))
    named = style.named
    if "benchmarks" in document:
        entries = file.mapping((*path, "benchmarks"))
        named += tuple(_named(file, (*path, "benchmarks", key)) for key in entries)
    fit = document.get("fit", style.image_fit)
    if fit not in get_args(ImageFit):
        raise file.error((*path, "fit"), f"must be one of {', '.join(get_args(ImageFit))}, not `{fit}`.")
    common = {key: value for key, value in document.items() if key in WORDS}
    title = document.get("title", style.title)
    return dataclasses.replace(
        style,
        title=_checked(file, (*path, "title"), title, str),
        image_fit=fit,
        sources=_texts(file, (*path, "source"), document.get("source", list(style.sources))),
        common=over(style.common, _checked_words(file, path, common)),
        families=families,
        named=named,
    )


def _named(file: LinedYaml, path: tuple[str, ...]) -> NamedWording:
    """An entry for benchmarks by name: `A, B*` or `A[column=value]`."""
    found = _NAMED.fullmatch(path[-1])
    if found is None:
        raise file.error(
            path, "must be names of benchmarks, such as `MMMU_*, ChartQA_TEST` or `NAME[column=value]`."
        )
    patterns = tuple(pattern.strip() for pattern in found[1].split(","))
    return NamedWording(
        patterns=patterns, column=found[2] or "", value=found[3] or "", words=_words(file, path)
    )


def _words(file: LinedYaml, path: tuple[str, ...]) -> dict[str, Any]:
    document = file.mapping(path)
    file.check_keys(path, (*WORDS, "source"))
    return _checked_words(file, path, {key: value for key, value in document.items() if key != "source"})


def _checked_words(file: LinedYaml, path: tuple[str, ...], document: Mapping[str, Any]) -> dict[str, Any]:
    return {WORDS[key]: _word(file, (*path, key), value) for key, value in document.items()}


def _word(file: LinedYaml, path: tuple[str, ...], value: Any) -> Any:
    """A value of the kind that its key takes."""
    key = path[-1]
    kind = get_type_hints(QuestionWording)[WORDS[key]]
    if key in _TEMPLATES:
        _check_template(file, path, _checked(file, path, value, str))
    elif key == "published":
        return _published(file, path)
    elif key == "replace":
        if "" in file.mapping(path):
            raise file.error((*path, ""), "is an empty text, which stands everywhere.")
        return {str(old): _checked(file, (*path, old), new, str) for old, new in file.mapping(path).items()}
    elif key in ("tags", "strip"):
        if value not in get_args(kind):
            known = ", ".join(f"`{name}`" for name in get_args(kind))
            raise file.error(path, f"must be one of {known}, not `{value}`.")
    elif key == "system":
        return value if value is None else _checked(file, path, value, str)
    else:
        _checked(file, path, value, kind)
    return value


def _published(file: LinedYaml, path: tuple[str, ...]) -> dict[str, Any]:
    """Settings of decoding by name, as `--set-decoding` has them: a temperature above 0 samples."""
    file.check_keys(path, SETTINGS)
    settings = dict(file.mapping(path))
    for name, setting in settings.items():
        if name != "stop" and not isinstance(setting, int | float):
            raise file.error((*path, name), f"must be a number, not `{setting}`.")
    try:
        changed(Decoding(), settings)
    except UsageError as error:
        raise file.error((*path, error.key or ""), error.what) from None
    return settings


def _check_template(file: LinedYaml, path: tuple[str, ...], text: str) -> None:
    """Refuse a name in braces that is almost one of `FIELDS`, and a text without its question.

    A picture that is to be described needs no question.
    """
    for name in _BRACES.findall(text):
        if name not in FIELDS and (near := _near(name, FIELDS)):
            raise file.error(path, f"`{{{name}}}` stands for nothing.{near}")
    if "{question}" not in text and "caption" not in path:
        raise file.error(path, "has no `{question}` in it.")


def _checked(file: LinedYaml, path: tuple[str, ...], value: Any, kind: type[Any]) -> Any:
    if type(value) is not kind or (kind is int and value < 1):
        names = {str: "a text", int: "a whole number from 1", bool: "true or false"}
        raise file.error(path, f"must be {names.get(kind, kind.__name__)}, not `{value}`.")
    return value


def _texts(file: LinedYaml, path: tuple[str, ...], value: Any) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise file.error(path, f"must be a text or a list of texts, not `{value}`.")
    return tuple(texts)


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean `{near[0]}`?" if near else ""
