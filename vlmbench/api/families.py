"""What a benchmark in a notebook cell starts from: the three families, by rows in and figures out."""

from vlmbench.benchmarks import MultipleChoice, ShortAnswer, YesNo

__all__ = ["MultipleChoice", "ShortAnswer", "YesNo"]
