from datetime import timedelta

import pytest

from checkpoint_pruner import Pin, Policy, PolicyError
from checkpoint_pruner.policy import parse_pin


def test_a_policy_that_counts_nothing_keeps_the_last_twenty():
    assert Policy().keep_last == 20
    assert Policy(older_than=timedelta(days=30)).keep_last == 20


def test_turns_replace_the_count_of_checkpoints():
    policy = Policy(keep_turns=3)

    assert (policy.keep_last, policy.keep_turns) == (None, 3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"keep_last": 0}, "keep_last must be a whole number of 1 or more, got 0"),
        ({"keep_turns": -1}, "keep_turns must be a whole number of 1 or more, got -1"),
        ({"keep_last": True}, "keep_last must be a whole number of 1 or more, got True"),
        ({"keep_nested": 1.5}, "keep_nested must be a whole number of 1 or more, got 1.5"),
        ({"older_than": timedelta(0)}, "older_than must be positive"),
        ({"expire_after": timedelta(-1)}, "expire_after must be positive"),
        ({"settle": timedelta(-1)}, "settle must be 0 or more"),
        ({"orphan_grace": 3600}, "orphan_grace must be a timedelta, got 3600"),
        ({"by_thread": {"t": 5}}, r"by_thread\['t'\] must be a Policy, got 5"),
        (
            {"by_graph": {"g": Policy(by_thread={"t": Policy()})}},
            r"by_graph\['g'\] must not hold overrides of its own",
        ),
    ],
)
def test_a_policy_refuses_what_contradicts_itself(wrong: dict[str, object], message: str):
    with pytest.raises(PolicyError, match=message):
        Policy(**wrong)


def test_a_policy_cannot_be_changed():
    with pytest.raises(AttributeError):
        Policy().keep_last = 5


def test_overrides_cannot_be_changed():
    policy = Policy(by_thread={"t": Policy(keep_last=1)})

    with pytest.raises(TypeError):
        policy.by_thread["u"] = Policy()


def test_a_thread_is_ruled_by_its_own_policy_then_by_its_graphs():
    by_graph, by_thread = Policy(keep_last=2), Policy(keep_last=3)
    policy = Policy(by_graph={"g": by_graph}, by_thread={"t": by_thread})

    assert policy.of("t", "g") is by_thread
    assert policy.of("u", "g") is by_graph
    assert policy.of("u", "h") is policy
    assert policy.of("u") is policy


def test_the_search_goes_by_the_smallest_window_of_all_overrides():
    policy = Policy(keep_last=9, by_thread={"t": Policy(keep_turns=4)})

    assert policy.fewest == 4


def test_every_rule_has_a_sentence():
    policy = Policy(
        keep_last=5,
        older_than=timedelta(days=30),
        thin_older=True,
        expire_after=timedelta(days=180),
        by_graph={"chat": Policy(keep_turns=1)},
    )

    sentences = policy.describe()

    assert sentences[0].startswith(
        "Each thread keeps the newest 5 checkpoints and every checkpoint younger than 30 days,"
    )
    assert any("last checkpoint stays" in sentence for sentence in sentences)
    assert any("idle for longer than 180 days" in sentence for sentence in sentences)
    assert "For graph 'chat': Each thread keeps the newest turn," in sentences[-1]


def test_equal_policies_have_equal_digests_and_others_do_not():
    assert Policy(keep_last=5).digest() == Policy(keep_last=5).digest()
    assert Policy(keep_last=5).digest() != Policy(keep_last=6).digest()
    assert Policy(by_thread={"t": Policy()}).digest() != Policy().digest()


@pytest.mark.parametrize(
    ("text", "pin"),
    [
        ("t::1ef", Pin("t", "", "1ef")),
        ("t:child:1ef", Pin("t", "child", "1ef")),
        ("t:child:u1|c2:u2:1ef", Pin("t", "child:u1|c2:u2", "1ef")),
        ("tenant:7::1ef", Pin("tenant:7", "", "1ef")),
    ],
)
def test_a_pin_is_read_from_text(text: str, pin: Pin):
    assert parse_pin(text) == pin


@pytest.mark.parametrize("text", ["", "t", "t:1ef", ":ns:1ef", "t:ns:"])
def test_a_pin_without_its_parts_is_refused(text: str):
    with pytest.raises(PolicyError, match="a pin is THREAD:NS:ID"):
        parse_pin(text)
