"""What `vlmbench run` is asked for: an entry for each model under each setting, checked before one loads."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vlmbench.api.run.names import checked_name, names_apart, run_name
from vlmbench.api.run.runs import RunRequest, check_samples, name_in
from vlmbench.cli._shared.benchmarks import data_of, find_benchmarks
from vlmbench.cli._shared.config_file import typed_options
from vlmbench.cli._shared.judge import judge_of
from vlmbench.cli._shared.models import decoding_choice_of, model_of
from vlmbench.domain import Benchmark
from vlmbench.errors import UsageError
from vlmbench.model_names import folder_of
from vlmbench.report.matrix.cells import ALONE
from vlmbench.store import read_run

OF_ALL = (
    "model",
    "name",
    "out",
    "fresh",
    "format",
    "log",
    "junit",
    "markdown",
    "settings",
    "gates",
    "config",
)
"""What settings share: each of them is of the whole command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One model under one setting, on its benchmarks."""

    name: str
    """What tables call it: the model's name, the setting's with it."""
    setting: str
    args: argparse.Namespace
    request: RunRequest
    benchmarks: tuple[Benchmark, ...]
    only_model: bool
    alone: bool
    """It is the only entry, and has one benchmark."""

    @property
    def in_matrix(self) -> bool:
        """Whether the command asks several models, or under several settings."""
        return not self.only_model or self.setting != ALONE

    def label(self, benchmark: str) -> str:
        """The benchmark, with the name where there are several."""
        return benchmark if not self.in_matrix else f"{self.name}, {benchmark}"


def planned(args: argparse.Namespace) -> list[Entry]:
    """Every model under every setting, model by model; a mistake in any of them is raised."""
    models: list[str] = args.model
    _refuse_twice(models, "--model")
    if args.name is not None:
        checked_name(args.name)
        if len(models) > 1:
            raise UsageError("one name cannot be that of several models.", key="--name", fix="Leave it out.")
    settings = {name: (of, _benchmarks(of)) for name, of in _settings(args).items()}
    several = len(models) > 1 or list(settings) != [ALONE]
    names = [args.name] if args.name else names_apart(models, in_runs=args.out is None)
    entries = []
    for model, name in zip(models, names, strict=True):
        for setting, (of, benchmarks) in settings.items():
            one = argparse.Namespace(**vars(of))
            one.model, one.bench = model, [benchmark.card.name for benchmark in benchmarks]
            called = f"{name}/{setting}" if setting else name
            if several:
                # Without a name of its own, answers in the folder of an earlier version are found.
                as_found = args.out is None and not setting and called == run_name(model)
                one.name = args.name if as_found else called
                one.out = args.out and args.out / folder_of(called)
            request = _request_of(one, several=(several and args.out is not None) or len(benchmarks) > 1)
            check_samples(request, {})
            entries.append(
                Entry(
                    name=called if several else name_in(request),
                    setting=setting,
                    args=one,
                    request=request,
                    benchmarks=tuple(benchmarks),
                    only_model=len(models) == 1,
                    alone=not several and len(benchmarks) == 1,
                )
            )
    return entries


def _settings(args: argparse.Namespace) -> dict[str, argparse.Namespace]:
    """The options under each setting; one without a name where the file has none."""
    if args.settings is None:
        return {ALONE: args}
    if not args.settings:
        raise UsageError("names no setting.", file=args.config, key="settings")
    return {str(name): _setting(args, str(name), given) for name, given in args.settings.items()}


def _setting(args: argparse.Namespace, name: str, given: Any) -> argparse.Namespace:
    from vlmbench.cli import run

    parser, key = argparse.ArgumentParser(add_help=False), f"settings.{name}"
    run.add_arguments(parser)
    if "/" in name or not any(letter.isalnum() for letter in name):
        raise UsageError(f"`{name}` cannot name a setting.", file=args.config, key=key, fix="Use one word.")
    given = {} if given is None else given
    if isinstance(given, Mapping):
        for option in given:
            if str(option).replace("_", "-") in OF_ALL:
                raise UsageError(
                    f"`{option}` holds for all settings.",
                    file=args.config,
                    key=key,
                    fix="Write it above them.",
                )
    found = argparse.Namespace(**vars(args))
    for dest, value in typed_options(parser, given, args.config, key).items():
        setattr(found, dest, value)
    return found


def _benchmarks(args: argparse.Namespace) -> list[Benchmark]:
    """The benchmarks under one setting, and a check of its other options."""
    from vlmbench.suites import expand

    benchmarks = find_benchmarks(args, expand(args.bench), limited=args.limit is not None)
    _refuse_twice([benchmark.card.name for benchmark in benchmarks], "--bench")
    if args.answers is not None and len(benchmarks) > 1:
        raise UsageError(
            "one file cannot answer several benchmarks.", key="--answers", fix="Run them one by one."
        )
    decoding_choice_of(args)
    if args.prompt is not None:
        from vlmbench.prompts import prompt_style

        prompt_style(args.prompt)
    if args.llm_base is not None:
        read_run(args.llm_base)
    return benchmarks


def _refuse_twice(names: Sequence[str], flag: str) -> None:
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise UsageError(f"`{twice[0]}` is named twice.", key=flag)


def _request_of(args: argparse.Namespace, *, several: bool) -> RunRequest:
    """The command line as a value."""
    return RunRequest(
        model=model_of(args),
        name=args.name,
        data=data_of(args),
        judge=judge_of(args),
        rules=args.rules,
        limit=args.limit,
        seed=args.seed,
        blind=args.blind,
        prompt=args.prompt,
        decoding=decoding_choice_of(args),
        max_new_tokens=args.max_new_tokens,
        samples=args.samples,
        out=args.out,
        fresh=args.fresh,
        price=args.price,
        several=several,
    )
