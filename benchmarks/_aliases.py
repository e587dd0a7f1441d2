"""What users of lmms-eval and others type, in lower case, and the name it has here.

Only names of the very same questions stand here. `seedbench` (which counts videos too) and the
like do not, however near they look.
"""

from __future__ import annotations

ALIASES: dict[str, str] = {
    "mmbench_en_dev": "MMBench_DEV_EN",
    "mmbench_en_test": "MMBench_TEST_EN",
    "mmbench_cn_dev": "MMBench_DEV_CN",
    "mmbench_cn_test": "MMBench_TEST_CN",
    "mmbench_cn_cc": "CCBench",
    "ccbench": "CCBench",
    "pope": "POPE",
    "mme": "MME",
    "gqa": "GQA_TestDev_Balanced",
    "textvqa_val": "TextVQA_VAL",
    "chartqa": "ChartQA_TEST",
    "docvqa_val": "DocVQA_VAL",
    "docvqa_test": "DocVQA_TEST",
    "infovqa_val": "InfoVQA_VAL",
    "infovqa_test": "InfoVQA_TEST",
    "ocrbench": "OCRBench",
    "mmmu_val": "MMMU_DEV_VAL",  # the figure quoted here is that of the 900 validation questions
    "mmmu_test": "MMMU_TEST",
    "seedbench_image": "SEEDBench_IMG",
    "seedbench_2_plus": "SEEDBench2_Plus",
    "ai2d": "AI2D_TEST",
    "ai2d_no_mask": "AI2D_TEST_NO_MASK",
    "scienceqa_img": "ScienceQA_TEST",
    "scienceqa": "ScienceQA_TEST_ALL",
    "mmstar": "MMStar",
    "realworldqa": "RealWorldQA",
    "blink": "BLINK",
    "vstar_bench": "VStarBench",
    "hallusion_bench_image": "HallusionBench",
    "mathvista_testmini": "MathVista_MINI",
    "mmvet": "MMVet",
    "llava_in_the_wild": "LLaVABench",
}
