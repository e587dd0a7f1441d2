"""Train a recipe and evaluate the model; or plan it: steps, parameters, memory, time, missing files.

    vlmbench train demo_lora
    vlmbench train llava_v15_7b_pretrain --plan
    vlmbench train llava_llama3_8b_one_card --plan --gpu-memory 20
    vlmbench train llava_v15_7b --nproc 8 --deepspeed deepspeed_zero3
    vlmbench train mine.yaml --set schedule.batch=8 --resume
    NPROC_PER_NODE=8 NNODES=2 NODE_RANK=0 ADDR=10.0.0.1 PORT=29500 vlmbench train llava_v15_7b

environment: NPROC_PER_NODE, NNODES, NODE_RANK, ADDR, PORT; under Slurm, its variables
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.chinese import translated
from vlmbench.cli._shared.console import complain, print_json
from vlmbench.cli._shared.flags import (
    above_zero,
    add_format_argument,
    add_log_argument,
    add_set_argument,
    positive,
    seed,
)
from vlmbench.cli._shared.models import (
    add_decoding_arguments,
    add_picture_arguments,
    add_thinking_argument,
)
from vlmbench.cli._shared.parser import options
from vlmbench.terminal.output import write
from vlmbench.terminal.screen import doing, note, print_line

if TYPE_CHECKING:
    from vlmbench.trainers.pipeline import TrainingRequest
    from vlmbench.trainers.plan.plan import Machine
    from vlmbench.trainers.recipe.how_asked import HowAsked
    from vlmbench.trainers.recipe.model import Chain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `train`."""
    parser.add_argument("recipe", help="a recipe (`vlmbench recipes list`) or a YAML file")
    common = options(parser, "training")
    common.add_argument(
        "--plan", action="store_true", help="print the plan and train nothing; no model is loaded"
    )
    add_set_argument(common)
    common.add_argument(
        "--nproc", type=positive, metavar="N", help="processes on each machine (default: the recipe's)"
    )
    common.add_argument("--nnodes", type=positive, metavar="M", help="number of machines (default: 1)")
    common.add_argument(
        "--work-dir",
        type=Path,
        metavar="DIR",
        help="folder for checkpoints and models (default: work_dirs/RECIPE)",
    )
    options(parser, "training", rare=True).add_argument(
        "--seed", type=seed, metavar="N", help="random seed (default: the recipe's)"
    )
    common.add_argument(
        "--resume",
        nargs="?",
        const="latest",
        metavar="CHECKPOINT",
        help="resume from a checkpoint; without a name, from the latest in the work folder, if there is one",
    )
    common.add_argument(
        "--deepspeed",
        metavar="NAME|FILE",
        help="deepspeed_zero1, zero2, zero2_offload, zero3, zero3_offload, or a JSON file",
    )
    planning = options(parser, "planning")
    planning.add_argument(
        "--gpu-memory",
        type=above_zero,
        metavar="GIB",
        help="for --plan: memory of one GPU, to know whether it fits and what to change",
    )
    planning.add_argument(
        "--rate", type=above_zero, metavar="TOKENS/S", help="for --plan: speed of one GPU, to know the hours"
    )
    add_eval_arguments(parser)
    add_log_argument(parser)
    add_format_argument(parser, "tsv")
    # For the processes that this command starts: which stage of a chain to train,
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    # or the step of a checkpoint of that stage to make a model of.
    parser.add_argument("--candidate", type=positive, help=argparse.SUPPRESS)


def add_eval_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags that have the model and its checkpoints evaluated."""
    common = options(parser, "evaluation")
    common.add_argument(
        "--eval",
        nargs="+",
        default=[],
        metavar="NAME",
        help="evaluate the trained model on these benchmarks or suites",
    )
    common.add_argument(
        "--eval-every",
        type=positive,
        metavar="STEPS",
        help="also evaluate checkpoints during training, at least STEPS optimizer steps apart",
    )
    common.add_argument("--eval-limit", type=positive, metavar="N", help="evaluate on only N groups of rows")
    common.add_argument(
        "--eval-device", default="auto", help="device for evaluation: auto, cpu, cuda:1, … (default: auto)"
    )
    how = options(parser, "how --eval asks, as in `vlmbench run`", rare=True)
    add_decoding_arguments(how)
    add_thinking_argument(how)
    add_picture_arguments(how)


def execute(args: argparse.Namespace) -> int:
    """Plan or train."""
    from vlmbench.api.training import check_resume
    from vlmbench.trainers.pipeline import read_chain

    if args.work_dir is not None:
        args.work_dir = args.work_dir.expanduser()
    check_resume(args.resume)
    if args.eval and args.eval_device != "auto":
        from vlmbench.model_files.loading import choose_device

        choose_device(args.eval_device)
    request = replace(request_of(args), quiet=args.quiet)
    with doing(f"reading the recipe {args.recipe}"):
        chain = read_chain(request)
    return plan(args, request, chain) if args.plan else train(args, request, chain)


def request_of(args: argparse.Namespace) -> TrainingRequest:
    """The command line as a value."""
    from vlmbench.trainers.pipeline import EvaluationRequest, TrainingRequest

    return TrainingRequest(
        recipe=args.recipe,
        settings=tuple(args.set),
        work_dir=args.work_dir,
        seed=args.seed,
        resume=args.resume,
        deepspeed=args.deepspeed,
        tracker=args.log,
        nproc=args.nproc,
        nnodes=args.nnodes,
        evaluation=EvaluationRequest(
            benchmarks=tuple(args.eval),
            every=args.eval_every,
            limit=args.eval_limit,
            device=args.eval_device,
            how=how_asked(args),
        ),
        stage=args.stage,
        candidate=args.candidate,
    )


def how_asked(args: argparse.Namespace) -> HowAsked:
    """The flags about how `--eval` asks, as a value."""
    from vlmbench.trainers.recipe.how_asked import HowAsked

    given = {field.name: getattr(args, field.name) for field in fields(HowAsked)}
    return HowAsked(**{**given, "set_decoding": tuple(args.set_decoding)})


def train(args: argparse.Namespace, request: TrainingRequest, chain: Chain) -> int:
    """Train and evaluate; print where the finished models are."""
    from vlmbench.api.training import train_chain

    result = train_chain(request, chain, _say)
    if result.code and request.quiet:
        complain(f"exit code {result.code}; why stands in evaluation.log or ranks/ of the work folder.")
    if result.models:
        _print_models(args, chain.name, result.models)
    return result.code


def _print_models(args: argparse.Namespace, name: str, models: Mapping[str, Path]) -> None:
    if args.format == "json":
        folders = {stage: str(folder) for stage, folder in models.items()}
        print_json({"name": name, "models": folders})
        return
    last = list(models.values())[-1]
    write(str(last))
    note(f"vlmbench: evaluate it with `vlmbench run --model {last} --bench …`")


def _say(line: str) -> None:
    """Print the figures of evaluations, with `--quiet` too."""
    print_line(translated(line))


def plan(args: argparse.Namespace, request: TrainingRequest, chain: Chain) -> int:
    """Print what the training costs and what is missing."""
    from vlmbench.cli.train.plan_tables import document, print_evaluation, print_plan
    from vlmbench.trainers.plan.plan import plan_chain
    from vlmbench.trainers.recipe.model import Evaluation

    plans = plan_chain(chain, machine(args, request, chain))
    evaluations = [stage for stage in chain.stages if isinstance(stage, Evaluation)]
    if args.format == "json":
        stages = [document(plan) for plan in plans] + [asdict(stage) for stage in evaluations]
        print_json(stages[0] if len(stages) == 1 else {"name": chain.name, "stages": stages})
        return 0
    for planned in plans:
        print_plan(planned, tabbed=args.format == "tsv")
    for stage in evaluations:
        print_evaluation(stage)
    return 0


def machine(args: argparse.Namespace, request: TrainingRequest, chain: Chain) -> Machine:
    """The machine to plan for; by default the one that each recipe was published for."""
    from vlmbench.trainers.plan.plan import Machine

    processes = chain.recipes[-1].parallelism.processes
    here = request.topology(processes)
    named = request.nproc or here.nproc != processes or here.nnodes != 1
    return Machine(
        nproc=here.nproc if named else None,
        nnodes=here.nnodes,
        gpu_memory=args.gpu_memory,
        rate=args.rate,
        work_dir=args.work_dir,
    )
