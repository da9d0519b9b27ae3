"""A project's own authentication: a token is a name; threads and items belong to their maker."""

from typing import Any

from langgraph_sdk import Auth

auth = Auth()


@auth.authenticate
async def authenticate(authorization: str | None) -> Any:
    scheme, _, name = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not name:
        raise Auth.exceptions.HTTPException(status_code=401, detail="say who you are")
    return {"identity": name, "permissions": ["admin", "messages:any"] if name == "root" else []}


@auth.on
async def own_only(ctx: Any, value: dict[str, Any]) -> Any:
    if "admin" in ctx.permissions:
        return True
    value.setdefault("metadata", {})["owner"] = ctx.user.identity
    return {"owner": ctx.user.identity}


@auth.on.assistants
async def assistants_are_for_all(ctx: Any, value: dict[str, Any]) -> bool:
    return ctx.action in ("read", "search") or "admin" in ctx.permissions


@auth.on.store
async def own_namespace(ctx: Any, value: dict[str, Any]) -> None:
    value["namespace"] = (ctx.user.identity, *(value.get("namespace") or ()))


@auth.on.threads.delete
async def nobody_deletes(ctx: Any, value: dict[str, Any]) -> bool:
    return "admin" in ctx.permissions
