"""Where a download comes from: its published address, or the mirror that `VLMBENCH_MIRROR` names for it.

VLMBENCH_MIRROR=https://hf-mirror.com                        the Hugging Face Hub
VLMBENCH_MIRROR=modelscope                                   the hub's datasets and models, from ModelScope
VLMBENCH_MIRROR=modelscope,HOST=https://mirror/path          and another host: its address begins so instead

`HF_ENDPOINT` names the hub's mirror where `VLMBENCH_MIRROR` names none. `HF_TOKEN` is sent to the hub and to
`HF_ENDPOINT`, never to a host of `VLMBENCH_MIRROR`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote, urlencode, urlsplit

from vlmbench.errors import UsageError
from vlmbench.plain_text import visible

VARIABLE = "VLMBENCH_MIRROR"
HUB = "https://huggingface.co"
MODELSCOPE = "modelscope"
Kind = Literal["dataset", "model"]

_HUB_HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")
_ADDRESS = re.compile(r"https?://[^\s,]+")
_HUB_FILE = re.compile(r"/datasets/(?P<repository>[^/]+/[^/]+)/resolve/[^/]+/(?P<path>.+)")


@dataclass(frozen=True, slots=True)
class Mirrors:
    """What `VLMBENCH_MIRROR` says."""

    hub: str = ""
    """The address in place of the hub's; empty: none."""
    modelscope: bool = False
    """Whether the hub's datasets and models come from ModelScope."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """For a host, what its addresses begin with instead of https://HOST."""


def mirrors() -> Mirrors:
    """The mirrors in use; a UsageError shows the form where the variable has another."""
    hub, modelscope, hosts = "", False, dict[str, str]()
    for entry in filter(None, map(str.strip, os.environ.get(VARIABLE, "").split(","))):
        host, equals, address = ("", "", entry) if _ADDRESS.match(entry) else entry.partition("=")
        address, host = address.rstrip("/"), host.lower()
        if entry.lower() == MODELSCOPE:
            modelscope = True
        elif not _ADDRESS.fullmatch(address) or (equals and not re.fullmatch(r"[\w.-]+(:\d+)?", host)):
            raise _malformed(entry)
        elif host in ("", *_HUB_HOSTS):
            hub = address
        else:
            hosts[host] = address
    return Mirrors(hub, modelscope, hosts)


def hub_endpoint() -> str:
    """The hub, or the mirror that stands for it."""
    return mirrors().hub or _endpoint_of_client() or HUB


def mirrored(url: str) -> str:
    """The address that is asked in place of a published one; the same where its host has no mirror."""
    parts, found = urlsplit(url), mirrors()
    host, rest = parts.netloc.lower(), url.partition("://")[2][len(parts.netloc) :]
    if host not in _HUB_HOSTS:
        return found.hosts[host] + rest if host in found.hosts else url
    file = _HUB_FILE.fullmatch(parts.path) if found.modelscope else None
    if file is not None:
        return modelscope_file("dataset", file["repository"], "master", unquote(file["path"]))
    mirror = found.hub or _endpoint_of_client()
    return mirror + rest if mirror else url


def client_options() -> dict[str, Any]:
    """What the hub's own client is called with, so that it asks the mirror of `VLMBENCH_MIRROR`."""
    hub = mirrors().hub
    return {"endpoint": hub, "token": False} if hub else {}


def is_of_hub(url: str) -> bool:
    """Whether a published address is one of the Hugging Face Hub."""
    return urlsplit(url).netloc.lower() in _HUB_HOSTS


def hub_page(url: str) -> str:
    """The page of the dataset that an address of the hub belongs to, where its terms are."""
    return url.partition("/resolve/")[0]


def authorization(url: str) -> dict[str, str]:
    """The header with `HF_TOKEN`, for the hub and `HF_ENDPOINT`; empty for every other address."""
    token, endpoint = os.environ.get("HF_TOKEN", ""), _endpoint_of_client()
    trusted = is_of_hub(url) or bool(endpoint and url.startswith(f"{endpoint}/") and not mirrors().hub)
    return {"Authorization": f"Bearer {token}"} if token and trusted else {}


def modelscope_endpoint() -> str:
    """ModelScope, or the mirror that `MODELSCOPE_ENDPOINT` names."""
    return os.environ.get("MODELSCOPE_ENDPOINT", "https://www.modelscope.cn").rstrip("/")


def modelscope_file(kind: Kind, repository: str, revision: str, path: str) -> str:
    """The address of a file on ModelScope."""
    query = {"Revision": revision, "FilePath": path}
    if kind == "dataset":
        query = {"Source": "SDK", **query, "View": "False"}
    return f"{modelscope_endpoint()}/api/v1/{kind}s/{repository}/repo?{urlencode(query)}"


def _endpoint_of_client() -> str:
    return os.environ.get("HF_ENDPOINT", "").rstrip("/")


def _malformed(entry: str) -> UsageError:
    return UsageError(
        f"`{visible(entry)}` is no mirror.",
        key=VARIABLE,
        fix="Write the address of a mirror of the Hugging Face Hub, `modelscope`, or HOST=ADDRESS for "
        "another host; several with commas between them.",
    )
