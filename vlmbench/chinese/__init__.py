"""What the command line prints, in Chinese: messages are English in the code, and translated when printed.

A catalogue, `FOLDER.json`, has the messages of one source folder (`vlmbench.json`: of the modules that are in
none): an English template and its Chinese.

    "{} row{s|} {is|are} left out: {}": "有 {} 行未参与比较：{*}"

`{}` is a gap that anything fills; `{a|b}` is one of two words that Chinese does not tell apart. In Chinese
`{2}` is the second gap, `{*}` (or `{2*}`) a gap that holds words of ours, which are translated too, and `{~}`
one that lists names: `a, b or c` becomes `a、b、c`. What fills any other gap, a file's name or an answer of a
model, stays as it is. A brace itself is written twice.
`python tests/support/messages.py FOLDER` prints the templates that have no Chinese yet.
"""

from __future__ import annotations

from vlmbench.chinese.language import LANGUAGES, VARIABLE, in_chinese, spoken_by
from vlmbench.chinese.texts import explained, translated

__all__ = [
    "LANGUAGES",
    "VARIABLE",
    "explained",
    "in_chinese",
    "spoken_by",
    "translated",
]
