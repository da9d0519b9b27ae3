"""The budget ledger in Postgres: double entry, integer minor units, never below zero.

Every movement is one entry of the journal whose postings add up to zero, and one change of the
budget's balances in the same transaction; the balances' CHECKs are the last word.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal, cast

from psycopg import errors
from typing_extensions import TypedDict

from nodes.services.database import Connection, Database, statement
from nodes.services.errors import BudgetRefusedError, ServiceError
from state.budget import Budget
from state.money import CURRENCIES, LARGEST_AMOUNT, minor_units, money_text
from state.purchase_order import Order

Account = Literal["granted", "available", "reserved", "committed"]
COLUMNS = ("department", "name", "currency", "limit", "agent_limit")


class Held(TypedDict):
    """The money that an order holds."""

    order_id: str
    revision: int
    department: str
    currency: str
    amount: int


class BudgetFileError(ServiceError):
    """A file of budgets cannot be loaded; the sentence names the line and the column."""


class PostgresLedger:
    """Keeps the books in Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def budgets(self, currency: str | None = None) -> list[Budget]:
        """Return the budgets in one currency, or all of them."""
        rows = await self._database.fetch_all(statement("list_budgets"), {"currency": currency})
        return [cast("Budget", row) for row in rows]

    async def reserve(self, order: Order) -> None:
        """Hold an order's money; see `Ledger.reserve`."""
        try:
            async with self._database.transaction() as connection:
                await self._reserve(connection, order)
        except errors.CheckViolation as error:
            raise await self._refusal(order) from error

    async def commit(self, order: Order) -> None:
        """Spend the money that an order holds."""
        await self._close(order, "commit", "committed")

    async def release(self, order: Order) -> None:
        """Give back the money that an order holds."""
        await self._close(order, "release", "released")

    async def release_by_hand(
        self, connection: Connection, order_id: str, *, actor: str, reason: str
    ) -> list[Held]:
        """Give back what an order holds, in the caller's transaction, and say for whom and why.

        Returns what was given back; nothing when the order held nothing.
        """
        execute = self._database.execute
        await execute(connection, statement("lock_order"), {"order_id": order_id})
        rows = await execute(connection, statement("read_live_reservation"), {"order_id": order_id})
        held = [cast("Held", row) for row in rows if row["state"] == "open"]
        for one in held:
            await self._close_reservation(connection, one, "release", "released", actor, reason)
        return held

    async def check(self) -> list[str]:
        """Return every broken invariant of the books."""
        rows = await self._database.fetch_all(statement("check_ledger"), {})
        return [f"{row['rule']}: {row['subject']}" for row in rows]

    async def set_limits(self, lines: Sequence["BudgetLine"]) -> None:
        """Make budgets, or change their limits; all of them or none.

        Raises:
            BudgetFileError: a new limit is below what is reserved and spent already.
        """
        async with self._database.transaction() as connection:
            for line in lines:
                await self._set_limit(connection, line)

    async def _reserve(self, connection: Connection, order: Order) -> None:
        execute = self._database.execute
        names = {"order_id": order["order_id"], "revision": order["revision"]}
        await execute(connection, statement("lock_order"), names)
        key = _key(order, "reserve")
        if await execute(connection, statement("find_ledger_entry"), {"key": key}):
            return
        live = await execute(connection, statement("read_live_reservation"), names)
        if live:
            earlier: Order = {**order, "revision": live[0]["revision"]}
            await self._end(connection, earlier, "release", "released")
        money = {
            "department": order["department"],
            "currency": order["currency"],
            "amount": order["amount"],
        }
        try:
            async with connection.transaction():
                await execute(connection, statement("insert_reservation"), {**names, **money})
        except errors.ForeignKeyViolation as error:
            raise BudgetRefusedError(
                f"{order['department']!r} has no budget in {order['currency']}",
                department=order["department"],
                currency=order["currency"],
            ) from error
        amount = order["amount"]
        await self._enter(connection, order, "reserve", {"available": -amount, "reserved": amount})

    async def _close(
        self,
        order: Order,
        kind: Literal["commit", "release"],
        state: Literal["committed", "released"],
    ) -> None:
        async with self._database.transaction() as connection:
            values = {"order_id": order["order_id"]}
            await self._database.execute(connection, statement("lock_order"), values)
            await self._end(connection, order, kind, state)

    async def _end(
        self,
        connection: Connection,
        order: Order,
        kind: Literal["commit", "release"],
        state: Literal["committed", "released"],
    ) -> None:
        """End an open reservation. One that was ended before, or never made, is left alone."""
        reservation = {"order_id": order["order_id"], "revision": order["revision"]}
        await self._close_reservation(connection, reservation, kind, state)

    async def _close_reservation(
        self,
        connection: Connection,
        reservation: Mapping[str, Any],
        kind: Literal["commit", "release"],
        state: Literal["committed", "released"],
        actor: str | None = None,
        reason: str | None = None,
    ) -> None:
        names = {"order_id": reservation["order_id"], "revision": reservation["revision"]}
        rows = await self._database.execute(
            connection, statement("close_reservation"), {**names, "state": state}
        )
        for row in rows:
            to: Account = "committed" if kind == "commit" else "available"
            await _post(
                self._database,
                connection,
                key=f"{names['order_id']}:{names['revision']}:{kind}",
                kind=kind,
                **names,
                department=row["department"],
                currency=row["currency"],
                moves={"reserved": -row["amount"], to: row["amount"]},
                actor=actor,
                reason=reason,
            )

    async def _enter(
        self, connection: Connection, order: Order, kind: str, moves: dict[Account, int]
    ) -> None:
        await _post(
            self._database,
            connection,
            key=_key(order, kind),
            kind=kind,
            order_id=order["order_id"],
            revision=order["revision"],
            department=order["department"],
            currency=order["currency"],
            moves=moves,
        )

    async def _set_limit(self, connection: Connection, line: "BudgetLine") -> None:
        execute = self._database.execute
        where = {"department": line.department, "currency": line.currency}
        values = {"name": line.name, "agent_limit": line.agent_limit, "keywords": line.keywords}
        await execute(connection, statement("put_budget"), {**where, **values})
        now = (await execute(connection, statement("lock_budget"), where))[0]
        change = line.limit - now["limit"]
        if change == 0:
            return
        if now["available"] + change < 0:
            least = money_text(now["reserved"] + now["committed"], line.currency)
            raise BudgetFileError(
                f"limit of {line.department} in {line.currency} must be at least {least}, which is"
                f" reserved or spent, got {money_text(line.limit, line.currency)}"
            )
        grants = (await execute(connection, statement("count_grants"), where))[0]["grants"]
        await _post(
            self._database,
            connection,
            key=f"grant:{line.department}:{line.currency}:{grants}",
            kind="grant",
            order_id=None,
            revision=None,
            department=line.department,
            currency=line.currency,
            moves={"granted": -change, "available": change},
        )

    async def _refusal(self, order: Order) -> BudgetRefusedError:
        budget = next(
            b
            for b in await self.budgets(order["currency"])
            if b["department"] == order["department"]
        )
        return BudgetRefusedError(
            f"{budget['name']} has {money_text(budget['available'], order['currency'])} left,"
            f" the order needs {money_text(order['amount'], order['currency'])}",
            department=order["department"],
            currency=order["currency"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLine:
    """One line of a file of budgets; amounts in minor units.

    Attributes:
        department: code.
        name: for people.
        currency: ISO 4217.
        limit: what it may spend.
        agent_limit: the largest order that goes through without a person.
        keywords: words of a document that speak for the department.
    """

    department: str
    name: str
    currency: str
    limit: int
    agent_limit: int
    keywords: list[str]


def read_budget_file(path: Path) -> list[BudgetLine]:
    """Read a CSV file: department, name, currency, limit, agent_limit[, keywords].

    Amounts are decimal text in the currency's main unit (`5000.00`); keywords are separated by
    spaces.

    Raises:
        BudgetFileError: the file cannot be read; the sentence names the line and the column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or [])]
            if missing:
                raise BudgetFileError(
                    f"{path}: line 1 must name the columns {', '.join(COLUMNS)} and may name"
                    f" keywords; {', '.join(missing)} not found"
                )
            lines = [_read_line(path, reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BudgetFileError(f"{path} cannot be read: {error}") from error
    if not lines:
        raise BudgetFileError(f"{path} names no budget")
    seen: set[tuple[str, str]] = set()
    for line in lines:
        if (line.department, line.currency) in seen:
            raise BudgetFileError(f"{path} names {line.department} in {line.currency} twice")
        seen.add((line.department, line.currency))
    return lines


def _read_line(path: Path, number: int, row: dict[str, str | None]) -> BudgetLine:
    def refuse(column: str, expected: str) -> BudgetFileError:
        return BudgetFileError(
            f"{path}: line {number}: {column} must be {expected}, got {row.get(column)!r}"
        )

    def amount(column: str) -> int:
        try:
            value = Decimal((row[column] or "").strip())
        except InvalidOperation as error:
            raise refuse(column, "an amount such as 5000.00") from error
        exact = value.is_finite() and minor_units(value, currency)
        if exact is False or value.scaleb(CURRENCIES[currency]) != exact:
            raise refuse(column, f"an amount with at most {CURRENCIES[currency]} decimals")
        if not 0 <= exact <= LARGEST_AMOUNT:
            raise refuse(column, "zero or more, and not beyond 2^53 minor units")
        return exact

    currency = (row["currency"] or "").strip()
    if currency not in CURRENCIES:
        raise refuse("currency", "a currency of ISO 4217")
    department = (row["department"] or "").strip()
    if not 1 <= len(department) <= 64:
        raise refuse("department", "a code of 1 to 64 characters")
    return BudgetLine(
        department=department,
        name=(row["name"] or "").strip() or department,
        currency=currency,
        limit=amount("limit"),
        agent_limit=amount("agent_limit"),
        keywords=(row.get("keywords") or "").lower().split(),
    )


async def _post(
    database: Database,
    connection: Connection,
    *,
    key: str,
    kind: str,
    order_id: str | None,
    revision: int | None,
    department: str,
    currency: str,
    moves: dict[Account, int],
    actor: str | None = None,
    reason: str | None = None,
) -> None:
    where = {"department": department, "currency": currency}
    balances = {"granted": 0, "available": 0, "reserved": 0, "committed": 0} | moves
    await database.execute(connection, statement("move_budget"), {**where, **balances})
    entry = await database.execute(
        connection,
        statement("insert_ledger_entry"),
        {
            "key": key,
            "kind": kind,
            "order_id": order_id,
            "revision": revision,
            "actor": actor,
            "reason": reason,
        },
    )
    for account, amount in moves.items():
        posting = {"entry_id": entry[0]["entry_id"], "account": account, "amount": amount}
        await database.execute(connection, statement("insert_ledger_posting"), {**where, **posting})


def _key(order: Order, kind: str) -> str:
    return f"{order['order_id']}:{order['revision']}:{kind}"
