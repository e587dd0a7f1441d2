"""What users of lmms-eval and others type, in lower case, and the name it has here."""

from __future__ import annotations

ALIASES: dict[str, str] = {
    "mmbench_en_dev": "MMBench_DEV_EN",
    "mmbench_en_test": "MMBench_TEST_EN",
    "mmbench_cn_dev": "MMBench_DEV_CN",
    "mmbench_cn_test": "MMBench_TEST_CN",
    "mmbench_cn_cc": "CCBench",
}
