"""Methods about customers: who they are, and what they called or wrote for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

from cicswitch.api.shapes.customers import (
    AddressBody,
    ContactView,
    CustomerBody,
    CustomerChange,
    CustomerView,
    ImportBody,
    Imported,
    ImportItem,
    Joining,
)
from cicswitch.client.wire import Wire

__all__ = ["CustomerCalls"]

_ONE = "/customers/{customer}"
_ADDRESSES = "/customers/{customer}/addresses"
Kind = Literal["number", "email", "chat", "id"]


class CustomerCalls(Wire):
    """Customers. One is named by his key or an address."""

    def customers(self, q: str = "", *, address: str = "") -> AsyncIterator[CustomerView]:
        """Customers by name: all, those with a text in what is known of them, or whose an address
        is."""
        return self.each("/customers", CustomerView, {"q": q, "address": address})

    async def customer(self, customer: str) -> CustomerView:
        """A customer."""
        return await self.call("GET", _ONE, CustomerView, customer=customer)

    def history(self, customer: str) -> AsyncIterator[ContactView]:
        """His contacts that are over, on all media, newest first."""
        return self.each("/customers/{customer}/history", ContactView, customer=customer)

    async def add_customer(self, customer: CustomerBody) -> CustomerView:
        """Have somebody known. Raises `ConflictProblem` where an address is another's."""
        return await self.call("POST", "/customers", CustomerView, body=customer)

    async def change_customer(
        self, customer: str, change: CustomerChange, *, tag: Any = None
    ) -> CustomerView:
        """Change what is known of him."""
        return await self.call("PATCH", _ONE, CustomerView, body=change, tag=tag, customer=customer)

    async def remove_customer(self, customer: str, *, tag: Any = None) -> None:
        """Know him no more; his contacts stay."""
        await self.call("DELETE", _ONE, type(None), tag=tag, customer=customer)

    async def add_address(
        self, customer: str, kind: Kind, value: str, *, tag: Any = None
    ) -> CustomerView:
        """Give him an address. Raises `ConflictProblem` where it is another's."""
        body = AddressBody(kind=kind, value=value)
        return await self.call(
            "POST", _ADDRESSES, CustomerView, body=body, tag=tag, customer=customer
        )

    async def remove_address(
        self, customer: str, kind: Kind, value: str, *, tag: Any = None
    ) -> CustomerView:
        """Take an address from him."""
        query = {"kind": kind, "value": value}
        return await self.call(
            "DELETE", _ADDRESSES, CustomerView, query=query, tag=tag, customer=customer
        )

    async def merge_customers(self, customer: str, other: str, *, tag: Any = None) -> CustomerView:
        """Make one of two; `customer` stays."""
        path, body = "/customers/{customer}/merge", Joining(customer=other)
        return await self.call("POST", path, CustomerView, body=body, tag=tag, customer=customer)

    async def import_customers(
        self, items: Sequence[ImportItem], *, dry_run: bool = False
    ) -> Imported:
        """Have a list known, 500 at most; what is wrong with one is found with it."""
        body = ImportBody(items=[*items], dry_run=dry_run)
        return await self.call("POST", "/customers/import", Imported, body=body)
