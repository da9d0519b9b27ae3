from typing import Any

import pytest
from langgraph_sdk.errors import UnprocessableEntityError


async def test_an_item_comes_back_until_it_is_removed(api: Any) -> None:
    await api.sdk.store.put_item(["users", "u1"], "likes", {"tea": True, "note": "a\0b"})

    item = await api.sdk.store.get_item(["users", "u1"], "likes")
    await api.sdk.store.delete_item(["users", "u1"], "likes")

    assert item["value"] == {"tea": True, "note": "a\ufffdb"}
    assert item["namespace"] == ["users", "u1"]
    assert await api.sdk.store.get_item(["users", "u1"], "likes") is None


async def test_items_are_found_below_a_namespace_by_their_fields(api: Any) -> None:
    for number in range(3):
        await api.sdk.store.put_item(["users", f"u{number}"], "age", {"years": number * 10})
    await api.sdk.store.put_item(["usersX"], "age", {"years": 10})

    found = await api.sdk.store.search_items(["users"], filter={"years": {"$gte": 10}})
    paged = await api.sdk.store.search_items(["users"], limit=1, offset=1)

    assert {item["namespace"][1] for item in found["items"]} == {"u1", "u2"}
    assert len(paged["items"]) == 1


async def test_namespaces_are_listed(api: Any) -> None:
    for path in (["a", "b", "c"], ["a", "x"], ["z"]):
        await api.sdk.store.put_item(path, "k", {})

    below = await api.sdk.store.list_namespaces(prefix=["a"], max_depth=2)
    ending = await api.sdk.store.list_namespaces(suffix=["x"])

    assert sorted(below["namespaces"]) == [["a", "b"], ["a", "x"]]
    assert ending["namespaces"] == [["a", "x"]]


async def test_an_item_whose_time_is_over_is_not_shown_and_swept(api: Any) -> None:
    await api.sdk.store.put_item(["a"], "short", {}, ttl=1)
    await api.sdk.store.put_item(["a"], "long", {}, ttl=60)
    async with api.engine.database.transaction() as connection:
        await connection.execute(
            "UPDATE store SET expires_at = expires_at - interval '2 minutes' WHERE key = 'short'"
        )

    shown = await api.sdk.store.search_items(["a"], refresh_ttl=False)
    swept = await api.engine.items.sweep()

    assert [item["key"] for item in shown["items"]] == ["long"]
    assert await api.sdk.store.get_item(["a"], "short") is None
    assert swept == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.put_item(["a"], "k", {}, index=["text"]),
        lambda store: store.search_items(["a"], query="like this"),
        lambda store: store.search_items(["a"], filter={"n": {"$near": 1}}),
    ],
)
async def test_what_the_store_cannot_do_is_refused(api: Any, call: Any) -> None:
    with pytest.raises(UnprocessableEntityError):
        await call(api.sdk.store)


@pytest.mark.parametrize("namespace", [[], ["a.b"], [""], ["langgraph"]])
async def test_a_namespace_that_is_not_allowed_is_refused(api: Any, namespace: list[str]) -> None:
    answer = await api.http.put(
        "/store/items", json={"namespace": namespace, "key": "k", "value": {}}
    )

    assert answer.status_code == 422


async def test_a_search_by_meaning_is_refused_by_its_name_without_an_index(api: Any) -> None:
    body = {"namespace_prefix": ["a"], "query": "like this"}

    refused = await api.http.post("/store/items/search", json=body)

    assert refused.status_code == 422
    assert refused.json()["pointer"] == "/query"
