from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.console.forms import (
    MAX_ROWS,
    PRESENT,
    Field,
    FormError,
    fields,
    free_answer,
    numeric,
    overview,
    parse,
    reading,
)

ORDER = {
    "type": "object",
    "required": ["supplier", "amount", "lines"],
    "properties": {
        "supplier": {"type": "string"},
        "amount": {"type": "integer", "x-minor-units": 2, "title": "Amount (EUR)", "minimum": 1},
        "urgent": {"type": "boolean"},
        "currency": {"enum": ["EUR", "NOK"]},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"sku": {"type": "string"}, "quantity": {"type": "integer"}},
            },
        },
    },
}
PROPOSED = {
    "supplier": "Fix AG",
    "amount": 854548,
    "urgent": True,
    "currency": "EUR",
    "note": None,
    "lines": [{"sku": "M8x40", "quantity": 500}],
    "hidden": {"kept": 1},
}


def posted(shown: tuple[Field, ...]) -> dict[str, str]:
    """Return what a browser posts for a form that nobody touched."""
    form: dict[str, str] = {}
    for one in shown:
        if one.widget in ("group", "table"):
            form[f"{PRESENT}{one.pointer}"] = ""
            form |= posted(one.children)
        elif one.widget == "checkbox":
            form[f"{PRESENT}{one.pointer}"] = ""
            if one.value:
                form[one.pointer] = "on"
        else:
            form[one.pointer] = one.value
    return form


def test_a_form_that_nobody_touched_says_what_was_proposed() -> None:
    form = posted(fields(ORDER, PROPOSED))

    assert parse(ORDER, form, PROPOSED) == PROPOSED


def test_money_is_shown_in_major_units_and_stays_an_integer_of_minor_ones() -> None:
    form = posted(fields(ORDER, PROPOSED))
    assert form["/amount"] == "8545.48"
    form["/amount"] = "3999"

    edited = parse(ORDER, form, PROPOSED)

    assert edited["amount"] == 399900


@pytest.mark.parametrize("text", ["12,5x", "NaN", "1.234"])
def test_an_amount_that_is_no_amount_names_its_field(text: str) -> None:
    form = posted(fields(ORDER, PROPOSED)) | {"/amount": text}

    with pytest.raises(FormError) as refused:
        parse(ORDER, form, PROPOSED)

    assert refused.value.pointer == "/amount"


def test_an_unticked_box_is_false() -> None:
    form = posted(fields(ORDER, PROPOSED))
    del form["/urgent"]

    assert parse(ORDER, form, PROPOSED)["urgent"] is False


def test_rows_can_be_added_and_emptied() -> None:
    form = posted(fields(ORDER, PROPOSED))
    form |= {"/lines/0/sku": "", "/lines/0/quantity": ""}
    form |= {"/lines/7/sku": "M10x60", "/lines/7/quantity": "200"}

    assert parse(ORDER, form, PROPOSED)["lines"] == [{"sku": "M10x60", "quantity": 200}]


LEAVES = st.one_of(
    st.just({"type": "string"}),
    st.just({"type": "integer"}),
    st.just({"type": "boolean"}),
    st.just({"anyOf": [{"type": "integer"}, {"type": "null"}]}),
    st.just({"type": ["string", "null"]}),
    st.just({"enum": ["a", 1, None]}),
    st.just({}),
    st.just({"$ref": "#/nowhere"}),
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.dictionaries(st.text(max_size=5), inner, max_size=4).map(
            lambda parts: {"type": "object", "properties": parts}
        ),
        inner.map(lambda items: {"type": "array", "items": items}),
    ),
    max_leaves=8,
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(schema=SCHEMAS, value=VALUES)
def test_every_schema_and_value_has_a_form(schema: dict[str, Any], value: Any) -> None:
    shown = fields(schema, value)

    assert all(isinstance(one, Field) for one in shown)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("blue", "blue"),
        (" the second ", "the second"),
        ("42", 42),
        ("true", True),
        ('{"colour": "blue"}', {"colour": "blue"}),
        ('"42"', "42"),
        ("{no json", "{no json"),
    ],
)
def test_a_free_answer_is_json_where_it_can_be_and_text_otherwise(text: str, value: Any) -> None:
    assert free_answer(text) == value


def test_a_free_answer_must_say_something() -> None:
    with pytest.raises(FormError, match="must say something"):
        free_answer(" \n")


def test_a_table_too_long_for_a_form_is_refused_rather_than_cut() -> None:
    schema = {
        "type": "object",
        "properties": {
            "lines": {
                "type": "array",
                "items": {"type": "object", "properties": {"item": {"type": "string"}}},
            }
        },
    }
    form = {f"/lines/{index}/item": "x" for index in range(MAX_ROWS + 1)}

    with pytest.raises(FormError, match="may have 5,000 rows"):
        parse(schema, form, {"lines": []})


def test_a_field_is_told_in_one_line_whatever_it_holds() -> None:
    schema = {
        "type": "object",
        "properties": {
            "lines": {
                "type": "array",
                "items": {"type": "object", "properties": {"item": {"type": "string"}}},
            }
        },
    }

    (lines,) = fields(schema, {"lines": [{"item": "desk"}, {"item": "lamp"}]})

    assert overview(lines) == "2: desk; lamp"


def test_amounts_are_read_in_groups_and_typed_without() -> None:
    schema = {"type": "object", "properties": {"amount": ORDER["properties"]["amount"]}}

    (amount,) = fields(schema, {"amount": 123_456_700})

    assert (reading(amount), amount.value) == ("1,234,567.00", "1234567.00")


@pytest.mark.parametrize(
    ("texts", "expected"), [(("8", "12.5", ""), True), (("8 kg", "3"), False), (("", ""), False)]
)
def test_a_column_of_texts_that_are_numbers_is_a_column_of_numbers(
    texts: tuple[str, ...], expected: bool
) -> None:
    column = [Field(pointer="/a", title="A", widget="text", value=text) for text in texts]

    assert numeric(column) is expected


def test_an_optional_object_that_nobody_filled_stays_nothing() -> None:
    extra = {
        "anyOf": [{"type": "object", "properties": {"x": {"type": "integer"}}}, {"type": "null"}]
    }
    schema = {"type": "object", "properties": {"extra": extra}}
    form = posted(fields(schema, {"extra": None}))

    assert parse(schema, form, {"extra": None}) == {"extra": None}
    assert parse(schema, {**form, "/extra/x": "5"}, {"extra": None}) == {"extra": {"x": 5}}
