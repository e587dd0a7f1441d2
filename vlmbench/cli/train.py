"""Train a recipe; or plan it: steps, parameters, memory, time and what is missing, with nothing loaded.

    vlmbench train demo_lora
    vlmbench train llava_v15_7b_pretrain --plan
    vlmbench train llava_llama3_8b_one_card --plan --gpu-memory 20
    vlmbench train llava_v15_7b --nproc 8 --deepspeed deepspeed_zero3
    vlmbench train mine.yaml --set schedule.batch=8 --resume
    NPROC_PER_NODE=8 NNODES=2 NODE_RANK=0 ADDR=10.0.0.1 PORT=29500 vlmbench train llava_v15_7b

environment: NPROC_PER_NODE, NNODES, NODE_RANK, ADDR, PORT, and what Slurm says of a job
"""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlmbench.cli.common import add_format_argument, print_json
from vlmbench.cli.numbers import above_zero, positive, seed
from vlmbench.cli.recipes import add_set_argument, trainers
from vlmbench.cli.tracking import add_log_argument
from vlmbench.cli.train_eval import add_eval_arguments
from vlmbench.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `train`."""
    parser.add_argument("recipe", help="a name of `vlmbench recipes list`, or a YAML file")
    parser.add_argument("--plan", action="store_true", help="say what it costs and what is missing")
    add_set_argument(parser)
    parser.add_argument("--nproc", type=positive, metavar="N", help="processes on each machine")
    parser.add_argument("--nnodes", type=positive, metavar="M", help="machines")
    parser.add_argument("--work-dir", type=Path, metavar="DIR", help="default: work_dirs/RECIPE")
    parser.add_argument("--seed", type=seed, metavar="N", help="default: the recipe's")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="latest",
        metavar="CHECKPOINT",
        help="go on from a checkpoint; without a name, from the last one of the work folder, if any",
    )
    parser.add_argument(
        "--deepspeed", metavar="NAME|FILE", help="deepspeed_zero1, …_zero3_offload, or a file"
    )
    parser.add_argument(
        "--gpu-memory", type=above_zero, metavar="GIB", help="say whether it fits, or what to change"
    )
    parser.add_argument("--rate", type=above_zero, metavar="TOKENS/S", help="of one GPU: says the time")
    add_eval_arguments(parser)
    add_log_argument(parser)
    add_format_argument(parser)
    # Which stage of a chain this process trains: for those that the command starts itself.
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    # The step of a checkpoint of that stage, to be made a model.
    parser.add_argument("--candidate", type=positive, help=argparse.SUPPRESS)


def execute(args: argparse.Namespace) -> int:
    """Plan or train."""
    if args.work_dir is not None:
        args.work_dir = args.work_dir.expanduser()
    if args.resume not in (None, "latest") and not Path(args.resume).expanduser().exists():
        raise UserError("there is no such checkpoint.", file=args.resume)
    chain = trainers("reading").read(args.recipe, settings(args))
    if not args.plan:
        from vlmbench.cli.train_stages import train_chain

        return train_chain(args, chain)
    return plan(args, chain)


def plan(args: argparse.Namespace, chain: Any) -> int:
    """What it costs."""
    plans = trainers("plan").plan_chain(chain, machine(args, chain))
    evaluations = [stage for stage in chain.stages if stage not in chain.recipes]
    from vlmbench.cli.plan_view import document, print_evaluation, print_plan

    if args.format == "json":
        stages = [document(plan) for plan in plans] + [asdict(stage) for stage in evaluations]
        print_json(stages[0] if len(stages) == 1 else {"name": chain.name, "stages": stages})
        return 0
    for planned in plans:
        print_plan(planned)
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
