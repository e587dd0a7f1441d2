"""A page to talk to a model, for Hugging Face Spaces and OpenXLab.

VLMBENCH_MODEL names the model, VLMBENCH_AGAINST a second one beside it.
"""

import os

from vlmbench.chat.opening import open_talker
from vlmbench.chat.web import serve
from vlmbench.domain import Decoding

MODELS = [os.environ.get("VLMBENCH_MODEL") or "demo", os.environ.get("VLMBENCH_AGAINST")]

if __name__ == "__main__":
    serve([open_talker(name) for name in MODELS if name], Decoding(max_new_tokens=1024))
