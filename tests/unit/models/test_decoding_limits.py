"""What an engine cannot do is refused by the setting's name."""

from __future__ import annotations

from typing import Any

import pytest
from decodings import EVERY_SETTING

from vlmbench.decoding import Decoding, changed
from vlmbench.errors import ModelError
from vlmbench.models.decoding_limits import REFUSED, check_decoding, used
from vlmbench.models.function import FunctionModel


@pytest.mark.parametrize("name", EVERY_SETTING)
@pytest.mark.parametrize("kind", REFUSED)
def test_every_engine_honours_a_setting_or_refuses_it_by_name(kind: str, name: str) -> None:
    needs_temperature = {"temperature": 1.0} if name in ("top_p", "top_k", "min_p") else {}
    decoding = changed(Decoding(), {**needs_temperature, name: EVERY_SETTING[name]})
    assert name in used(decoding)
    if name not in REFUSED[kind]:
        check_decoding(kind, decoding)
        return
    with pytest.raises(ModelError) as error:
        check_decoding(kind, decoding)
    first = "temperature" if needs_temperature and "temperature" in REFUSED[kind] else name
    assert f"`{first}`" in str(error.value)


def test_a_temperature_that_vllm_would_raise_is_refused() -> None:
    check_decoding("vllm", Decoding(do_sample=True, temperature=0.01))
    with pytest.raises(ModelError, match=r"`temperature`: vLLM raises a temperature of 1e-06 to 0.01"):
        check_decoding("vllm", Decoding(do_sample=True, temperature=1e-6))


def test_somebodys_own_object_gets_every_setting() -> None:
    check_decoding("mine", changed(Decoding(), EVERY_SETTING))


def test_a_function_that_is_to_sample_is_refused_before_it_is_called() -> None:
    def answer(messages: Any, images: Any) -> str:
        raise AssertionError("it was called")

    from vlmbench.domain import Request

    asked = Request(id="1", group="1", parts=("?",), decoding=Decoding(do_sample=True))
    with pytest.raises(ModelError, match=r"`temperature`: a function .* gets no settings of decoding"):
        list(FunctionModel(answer).generate([asked], {}))
