"""Plan a training recipe: steps, parameters, memory, time, and what is missing, before anything is loaded.

    vlmbench train llava_v15_7b_pretrain --plan
    vlmbench train llava_llama3_8b_one_card --plan --gpu-memory 20
    vlmbench train mine.yaml --plan --set schedule.batch=8 --nproc 4 --rate 3000
    NPROC_PER_NODE=8 vlmbench train llava_v15_7b --plan --deepspeed deepspeed_zero3

environment: NPROC_PER_NODE, NNODES, NODE_RANK, ADDR, PORT, and what Slurm says of a job
"""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlmbench.cli.common import add_format_argument, positive, print_json
from vlmbench.cli.recipes import add_set_argument, trainers
from vlmbench.errors import UsageError, UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `train`."""
    parser.add_argument("recipe", help="a name of `vlmbench recipes list`, or a YAML file")
    parser.add_argument("--plan", action="store_true", help="say what it costs and what is missing")
    add_set_argument(parser)
    parser.add_argument("--nproc", type=positive, metavar="N", help="processes on each machine")
    parser.add_argument("--nnodes", type=positive, metavar="M", help="machines")
    parser.add_argument("--work-dir", type=Path, metavar="DIR", help="default: work_dirs/RECIPE")
    parser.add_argument("--seed", type=int, metavar="N", help="default: the recipe's")
    parser.add_argument("--resume", metavar="CHECKPOINT", help="go on from a checkpoint")
    parser.add_argument(
        "--deepspeed", metavar="NAME|FILE", help="deepspeed_zero1, …_zero3_offload, or a file"
    )
    parser.add_argument(
        "--gpu-memory", type=_amount, metavar="GIB", help="say whether it fits, or what to change"
    )
    parser.add_argument("--rate", type=_amount, metavar="TOKENS/S", help="of one GPU: says how long it takes")
    add_format_argument(parser)


def execute(args: argparse.Namespace) -> int:
    """Plan; training is not part of this version."""
    if not args.plan:
        raise UsageError("this version plans only.", fix=f"Try `vlmbench train {args.recipe} --plan`.")
    if args.resume is not None and not Path(args.resume).expanduser().exists():
        raise UserError("there is no such checkpoint.", file=args.resume)
    chain = trainers("reading").read(args.recipe, settings(args))
    plans = trainers("plan").plan_chain(chain, machine(args, chain))
    evaluations = [stage for stage in chain.stages if stage not in chain.recipes]
    from vlmbench.cli.plan_view import document, print_evaluation, print_plan

    if args.format == "json":
        stages = [document(plan) for plan in plans] + [asdict(stage) for stage in evaluations]
        print_json(stages[0] if len(stages) == 1 else {"name": chain.name, "stages": stages})
        return 0
    for plan in plans:
        print_plan(plan)
    for stage in evaluations:
        print_evaluation(stage)
    return 0


def settings(args: argparse.Namespace) -> list[str]:
    """What `--set` says, and the flags that are short for it."""
    short = list(args.set)
    if args.seed is not None:
        short.append(f"seed={args.seed}")
    if args.deepspeed is not None:
        name = trainers("zero").preset_name(args.deepspeed)
        trainers("zero").zero_of(name)
        short.append(f"parallelism.deepspeed={name}")
    return short


def machine(args: argparse.Namespace, chain: Any) -> Any:
    """What the plan is made for. Without any word of it: what each recipe was published for."""
    processes = chain.recipes[-1].parallelism.processes
    here = trainers("world").world(os.environ, processes=processes, nproc=args.nproc, nnodes=args.nnodes)
    said = args.nproc or here.nproc != processes or here.nnodes != 1
    return trainers("plan").Machine(
        nproc=here.nproc if said else None,
        nnodes=here.nnodes,
        gpu_memory=args.gpu_memory,
        rate=args.rate,
        work_dir=args.work_dir,
    )


def _amount(text: str) -> float:
    """An argparse type: a number above zero."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"`{text}` is no amount")
    return number
