"""Chat templates that ask for all memory or all time are refused at once; real ones are written as before."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest

from vlmbench.errors import ModelError
from vlmbench.model_files import template_budget
from vlmbench.model_files.template_budget import written
from vlmbench.templates import TEMPLATES, chat_template

TURNS = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}]
TEN = "10000000000"
DOUBLE = "{% set n = namespace(x='A'*1000) %}"
DOUBLE += "{% for i in range(60) %}{% set n.x = WHAT %}{% endfor %}{{ n.x|length }}"
PAIRS = "{% set n = namespace(x=['A']) %}{% for i in range(60) %}{% set n.x = WHAT %}{% endfor %}{{ USE }}"


class Own:
    """A processor that has nothing but a chat template."""

    def __init__(self, template: str) -> None:
        self.chat_template = template

    def apply_chat_template(self, turns: Any, **values: Any) -> str:
        from transformers.utils.chat_template_utils import render_jinja_template

        values.pop("tokenize")
        return str(render_jinja_template([turns], chat_template=self.chat_template, **values)[0][0])


HARM = {
    "times": "{{ 'A' * TEN }}",
    "times reversed": "{{ TEN * 'A' }}",
    "list times": "{{ ([1] * TEN)|length }}",
    "power": "{{ (9 ** 999999999) > 1 }}",
    "squares": "{% set n = namespace(x=9) %}{% for i in range(60) %}{% set n.x = n.x * n.x %}{% endfor %}",
    "plus": DOUBLE.replace("WHAT", "n.x + n.x"),
    "tilde": DOUBLE.replace("WHAT", "n.x ~ n.x"),
    "replace": DOUBLE.replace("WHAT", "n.x.replace('A', 'AAAA')"),
    "replace filter": DOUBLE.replace("WHAT", "n.x|replace('A', 'AAAA')"),
    "join": DOUBLE.replace("WHAT", "n.x.join('A' * 1000)"),
    "join filter": "{{ range(100000)|join('A' * 100000) }}",
    "join of a generator": "{{ ('A' * 100000).join(range(100000)|map('string')) }}",
    "map": "{{ (['A'] * 100000)|map('center', 9999)|list|length }}",
    "block": DOUBLE.replace(
        "{% set n.x = WHAT %}", "{% set y %}{{ n.x }}{{ n.x }}{% endset %}{% set n.x = y %}"
    ),
    "slices": "{% set a = 'A' * 1000000 %}{% set n = namespace(x=[]) %}{% for i in range(100000) %}"
    "{% set n.x = n.x + [a[1:]] %}{% endfor %}",
    "output": "{% set a = 'A' * 1000000 %}{% for i in range(100000) %}{{ a }}{% endfor %}",
    "percent": "{{ '%TENd' % 1 }}",
    "percent of a value": "{{ '%*d' % (TEN, 1) }}",
    "format filter": "{{ '%TENd'|format(1) }}",
    "format": "{{ '{:>TEN}'.format('A') }}",
    "format of a value": "{{ '{:>{}}'.format('A', TEN) }}",
    "format map": "{{ '{a:>TEN}'.format_map({'a': 'A'}) }}",
    "center": "{{ 'A'|center(TEN) }}",
    "ljust": "{{ 'A'.ljust(TEN) }}",
    "zfill": "{{ 'A'.zfill(TEN) }}",
    "expandtabs": "{{ '\t'.expandtabs(TEN) }}",
    "indent": "{{ 'A\nA'|indent(TEN) }}",
    "indent text": "{{ ('\n' * 100000)|indent('A' * 100000) }}",
    "tojson": "{{ [[1]]|tojson(indent=TEN) }}",
    "slice": "{{ [1]|slice(TEN)|list }}",
    "batch": "{{ [1]|batch(TEN, 'A')|list }}",
    "round": "{{ 1.5|round(TEN, 'ceil') }}",
    "translate": "{{ ('A' * 100000).translate({65: 'A' * 100000}) }}",
    "strftime": "{{ strftime_now('%TENd') }}",
    "lipsum": "{{ lipsum(n=100000) }}",
    "range": "{% for i in range(TEN) %}{% endfor %}",
    "to bytes": "{{ (1).to_bytes(TEN, 'big') }}",
    "loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "loops with a condition": "{% for i in range(99999) %}"
    "{% for j in range(99999) if j < 0 %}{% endfor %}{% endfor %}",
    "macros": "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "endless macro": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "pairs": PAIRS.replace("WHAT", "[n.x, n.x]").replace("USE", "n.x"),
    "pairs as text": PAIRS.replace("WHAT", "[n.x, n.x]").replace("USE", "n.x|tojson"),
    "pairs compared": PAIRS.replace("WHAT", "(n.x, n.x)").replace("USE", "n.x == 1"),
    "dicts": PAIRS.replace("WHAT", "{'a': n.x, 'b': n.x}").replace("USE", "n.x"),
    "dict calls": PAIRS.replace("WHAT", "dict(a=n.x, b=n.x)").replace("USE", "n.x"),
    "lists added": PAIRS.replace("WHAT", "n.x + n.x").replace("USE", "n.x|length"),
    "sum of lists": "{{ ([['A'] * 1000] * 1000)|sum(start=[])|length }}",
    "nested": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "long": "A" * 1_000_001,
}


@pytest.mark.parametrize("name", HARM)
def test_harm_is_refused_soon_and_in_little_memory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_budget, "SECONDS", 0.2)
    written(Own("warm"), TURNS)
    begun = time.thread_time()
    with pytest.raises(Exception, match=r"\w") as error:
        written(Own(HARM[name].replace("TEN", TEN)), TURNS)
    assert not isinstance(error.value, (MemoryError, AssertionError))
    assert time.thread_time() - begun < 1.0


@pytest.mark.parametrize(
    "name", ["times", "tilde", "map", "output", "slices", "join filter", "pairs", "block"]
)
def test_harm_takes_little_memory(name: str) -> None:
    written(Own("warm"), TURNS)
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match="writes more than"):
            written(Own(HARM[name].replace("TEN", TEN)), TURNS)
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_real_templates_write_what_they_wrote(name: str) -> None:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    template = chat_template(TEMPLATES[name])
    plain = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(template)
    assert written(Own(template), TURNS) == plain.render(messages=TURNS, add_generation_prompt=True)


def test_what_templates_use_works_as_before() -> None:
    template = (
        "{%- set n = namespace(t='') -%}{%- for m in messages -%}"
        "{%- set n.t = n.t + m.role ~ loop.index0 -%}"
        "{%- for c in m['content'] if c.type == 'text' -%}"
        "{{ c.text.split(' ')[-1] | trim | upper }}{%- endfor -%}"
        "{%- endfor -%}{{ n.t }}|{{ messages[0]|tojson(indent=2)|length }}|{{ '%s-%03d' % ('a', 7) }}|"
        "{{ '{:>4}'.format('x') }}|{{ messages[::-1]|length }}|{{ [1, 2]|join(', ') }}|{{ 'ab' * 3 }}|"
        "{{ messages|map(attribute='role')|list }}|{{ {'a': 1}.items()|list }}|{{ none }}|{{ missing }}"
    )
    assert written(Own(template), TURNS) == (
        "IT?user0|137|a-007|   x|1|1, 2|ababab|['user']|[('a', 1)]|None|"
    )


def test_others_in_this_process_are_not_limited() -> None:
    written(Own("warm"), TURNS)
    assert len(Own("{{ 'A' * 40000000 }}").apply_chat_template(TURNS, tokenize=False)) == 40_000_000
