"""Accounts: what is asked and answered."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from cicswitch.api.accounts.roles import Role

__all__ = ["AccountChange", "NewAccount", "PasswordGiven"]


class NewAccount(Struct, frozen=True, forbid_unknown_fields=True):
    """An account to be made."""

    name: str
    password: str
    role: Role
    display_name: str = ""
    agent: str = ""


class AccountChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be otherwise; what is left out stays."""

    display_name: str | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    agent: str | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


class PasswordGiven(Struct, frozen=True, forbid_unknown_fields=True):
    """A password for somebody else."""

    password: str
