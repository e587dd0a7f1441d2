"""Statistics, one door: means with their uncertainty, paired differences, many tests at once."""

from vlmbench.stats.distributions import Z95, t95
from vlmbench.stats.draws import budgets, pass_at, variances
from vlmbench.stats.means import Estimate, clustered_mean, mean_chance, mean_of, mean_over, wilson
from vlmbench.stats.paired import (
    Difference,
    clustered_difference,
    holm,
    mcnemar,
    paired_difference,
    paired_proportions,
    power,
    smallest_difference,
)

__all__ = [
    "Z95",
    "Difference",
    "Estimate",
    "budgets",
    "clustered_difference",
    "clustered_mean",
    "holm",
    "mcnemar",
    "mean_chance",
    "mean_of",
    "mean_over",
    "paired_difference",
    "paired_proportions",
    "pass_at",
    "power",
    "smallest_difference",
    "t95",
    "variances",
    "wilson",
]
