import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidValueError
from engine.values import MAX_VALUES, decode_json, storable, to_storable_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e999}',
        b'{"a": 9223372036854775808}',
        b'{"a": ' + b"9" * 5_000 + b"}",
        b'{"a": 1, "a": 2}',
        b'{"a": "\\ud800"}',
        b'{"\\ud800": 1}',
        b"[" * 65 + b"]" * 65,
        b"[" * 100_000,
        b'{"a": "\xff"}',
        b'{"a": }',
        b"",
    ],
)
def test_json_that_cannot_be_kept_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidValueError):
        decode_json(body)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"input": {"name": ["ok", "\\udfff"]}}', "/input/name/1"),
        (b'{"input": {"price": NaN}}', "/input/price"),
        (b'{"input": [0, -Infinity]}', "/input/1"),
        (b'{"input": {"price": 1e999}}', "/input/price"),
        (b'{"input": {"id": 9223372036854775808}}', "/input/id"),
        (b'{"input": {"name": {"a": 1, "a": 2}}}', "/input/name/a"),
        (b"NaN", "/"),
    ],
)
def test_a_refusal_points_at_the_fault(body: bytes, pointer: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        decode_json(body)

    assert refused.value.pointer == pointer


@given(JSON)
def test_what_the_decoder_lets_in_it_returns_unchanged(value: Any) -> None:
    body = json.dumps(value).encode()
    try:
        decoded = decode_json(body)
    except InvalidValueError:
        return
    assert decoded == json.loads(body)


@given(JSON)
def test_any_value_becomes_json_that_jsonb_accepts(value: Any) -> None:
    text = to_storable_json(value)

    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert "\\u0000" not in text.replace("\\\\", "")


def test_an_escaped_backslash_before_u0000_is_text_and_stays() -> None:
    assert json.loads(to_storable_json({"a": "\\u0000"})) == {"a": "\\u0000"}
    assert json.loads(to_storable_json({"a": "\\\0"})) == {"a": "\\\N{REPLACEMENT CHARACTER}"}


def test_a_sound_value_is_not_copied() -> None:
    value = {"a": [1, "b", {"c": 2.5}]}

    assert storable(value, "/state") is value


def test_nul_and_surrogates_of_a_node_become_replacement_characters() -> None:
    assert storable({"a\0": ["b\ud800"]}, "/state") == {"a\ufffd": ["b\ufffd"]}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 2**63, [2**64]])
def test_numbers_that_a_checkpoint_cannot_hold_are_refused(value: Any) -> None:
    with pytest.raises(InvalidValueError):
        storable(value, "/amount")


def test_a_key_given_twice_among_many_is_found_in_one_pass() -> None:
    # Each key compared with every other one would take minutes here.
    pairs = [f'"{number}":0' for number in range(240_000)]

    with pytest.raises(InvalidValueError) as refused:
        decode_json(("{" + ",".join([*pairs, pairs[-1]]) + "}").encode())

    assert refused.value.pointer == "/239999"


def test_the_way_to_a_value_is_spelt_out_for_a_refusal_only() -> None:
    # Spelt out for each of the items it would be two terabytes of text.
    value = {"k" * 8_000_000: [0] * 240_000}

    assert decode_json(json.dumps(value).encode()) == value
    assert storable(value, "/state") is value


def test_more_values_than_a_body_may_have_are_refused_before_they_are_read() -> None:
    with pytest.raises(InvalidValueError, match="at most 500000 values"):
        decode_json(b"[" + b"{}," * MAX_VALUES + b"{}]")


def test_what_stands_in_a_text_is_no_value() -> None:
    document = json.dumps(["[{,:" * MAX_VALUES, 'a "quoted" \\ word'])

    assert decode_json(document.encode()) == json.loads(document)
