"""The folder trees of the published guides, so that what is missing can be named with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

_COCO = "http://images.cocodataset.org/zips/train2017.zip"
_GQA = "https://downloads.cs.stanford.edu/nlp/data/gqa/images.zip"
_OCR = "OCR-VQA's download script; then `vlmbench data check --fix` for the endings"
_TEXT = "https://dl.fbaipublicfiles.com/textvqa/images/train_val_images.zip"
_VG = "https://cs.stanford.edu/people/rak248/VG_100K_2/images.zip"
_VG_2 = "https://cs.stanford.edu/people/rak248/VG_100K_2/images2.zip"
_LLAVA = "https://huggingface.co/datasets/liuhaotian/LLaVA-Pretrain"
_SHARE = "https://github.com/InternLM/InternLM-XComposer/blob/main/projects/ShareGPT4V/docs/Data.md"
_INTERN = "https://github.com/OpenGVLab/InternVL/tree/main/internvl_chat#prepare-training-datasets"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderTree:
    """What lies below one folder of a guide."""

    name: str
    root: str
    """Its name in the guides."""
    annotations: tuple[str, ...]
    folders: Mapping[str, str]
    """Folders of pictures, with where each can be had."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Links and what they point to, seen from the folder they stand in."""


_OTHER = {
    name: f"../../llava_data/llava_images/{name}" for name in ("coco", "gqa", "ocr_vqa", "textvqa", "vg")
}
_SHARED_LINKS = {
    "data/llava/llava_pretrain/images": "../../../../llava_data/LLaVA-Pretrain/images",
    **{f"data/{name}": target for name, target in _OTHER.items()},
}
_SHARED_FOLDERS = ("sam", "share_textvqa", "web-celebrity", "web-landmark", "wikiart")

TREES = (
    FolderTree(
        name="LLaVA",
        root="llava_data",
        annotations=(
            "LLaVA-Pretrain/blip_laion_cc_sbu_558k.json",
            "LLaVA-Instruct-150K/llava_v1_5_mix665k.json",
        ),
        folders={
            "LLaVA-Pretrain/images": _LLAVA,
            "llava_images/coco/train2017": _COCO,
            "llava_images/gqa/images": _GQA,
            "llava_images/ocr_vqa/images": _OCR,
            "llava_images/textvqa/train_images": _TEXT,
            "llava_images/vg/VG_100K": _VG,
            "llava_images/vg/VG_100K_2": _VG_2,
        },
    ),
    FolderTree(
        name="ShareGPT4V",
        root="sharegpt4v",
        annotations=(
            "share-captioner_coco_lcs_sam_1246k_1107.json",
            "sharegpt4v_instruct_gpt4-vision_cap100k.json",
            "sharegpt4v_mix665k_cap23k_coco-ap9k_lcs3k_sam9k_div2k.json",
        ),
        folders={f"data/{name}/images": _SHARE for name in _SHARED_FOLDERS},
        links=_SHARED_LINKS,
    ),
    FolderTree(
        name="InternVL-SFT",
        root="internvl_sft",
        annotations=(
            "sharegpt4v_instruct_gpt4-vision_cap100k.jsonl",
            "llava_instruct_150k_zh.jsonl",
            "sharegpt4v_mix665k_cap23k_coco-ap9k_lcs3k_sam9k_div2k.jsonl",
            "dvqa_train_200k.jsonl",
            "chartqa_train_18k.jsonl",
            "ai2d_train_12k.jsonl",
            "docvqa_train_10k.jsonl",
            "geoqa+.jsonl",
            "synthdog_en.jsonl",
        ),
        folders={
            f"data/{name}": _INTERN
            for name in (
                "ai2d/abc_images",
                "ai2d/images",
                "chartqa/test",
                "chartqa/train",
                "chartqa/val",
                "docvqa/test",
                "docvqa/train",
                "docvqa/val",
                "dvqa/images",
                "synthdog-en/images",
                "geoqa+/images",
            )
        },
        links={
            **_SHARED_LINKS,
            **{f"data/{name}": f"../../sharegpt4v/data/{name}" for name in _SHARED_FOLDERS},
        },
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideFolder:
    """One folder or link of a tree, as it is here."""

    path: Path
    below: str
    """Where it is seen from the folder of pictures."""
    name: str
    """The same for people; that folder itself is called as in the guide."""
    state: str
    """`here`, `missing`, or `link to nowhere`."""
    target: str | None = None
    source: str | None = None


def tree_of(annotations: Path) -> tuple[FolderTree, Path] | None:
    """The guide's tree that this annotation file belongs to, and its root."""
    for tree in TREES:
        for name in tree.annotations:
            parts = PurePosixPath(name).parts
            if annotations.parts[-len(parts) :] == parts:
                return tree, annotations.parents[len(parts) - 1]
    return None


def places(annotations: Path, images: Path) -> list[GuideFolder]:
    """The folders and links of the guide below this folder of pictures; none where it is no guide's."""
    annotations, images = annotations.absolute(), images.absolute()
    found = tree_of(annotations)
    if found is None:
        return []
    tree, root = found
    named = [(name, source, None) for name, source in tree.folders.items()]
    linked = [(name, None, target) for name, target in tree.links.items()]
    return [
        GuideFolder(
            path=root / name,
            below=(below := (root / name).relative_to(images).as_posix()),
            name=name if below == "." else below,
            state=_state(root / name),
            target=target,
            source=source,
        )
        for name, source, target in [*named, *linked]
        if (root / name).is_relative_to(images)
    ]


def _state(path: Path) -> str:
    if path.is_dir():
        return "here"
    return "link to nowhere" if path.is_symlink() else "missing"
