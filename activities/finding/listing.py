"""How a venue's API lists the pools of a pair."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from solders.pubkey import Pubkey

from activities.finding.http import Api, ApiFailed, Params

PAGE_SIZE = 100

Answer = TypeVar("Answer", bound=BaseModel)

# An object of an answer whose shape nothing relies on.
Entry = dict[str, Any]


class Page(NamedTuple):
    """What a page calls addresses, unchecked, and whether another page follows."""

    addresses: Sequence[object]
    more: bool


class PairListing(ABC):
    """One API. Mints are given in the order of their text, pages are counted from 0."""

    def __init__(self, name: str, base: str) -> None:
        self.name = name
        self.base = base

    @abstractmethod
    def request(self, first: str, second: str, page: int) -> tuple[str, Params]:
        """Path and parameters of the question for a page of the pair's pools."""

    @abstractmethod
    def read(self, body: bytes) -> Page:
        """The page in an answer; raises ApiFailed when it has another shape."""

    async def lookup_tables(self, api: Api, pools: Sequence[Pubkey]) -> dict[Pubkey, Pubkey | None]:
        """The lookup tables of the pools, where the API knows any; raises ApiFailed."""
        return {}


def parsed(model: type[Answer], body: bytes) -> Answer:
    """An answer in the shape of a model; raises ApiFailed."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, problem["loc"]))
        raise ApiFailed(f"unexpected answer: {place}: {problem['msg']}") from None


def address(value: object) -> Pubkey | None:
    """The address that an answer writes, None for anything else."""
    try:
        return Pubkey.from_string(value) if isinstance(value, str) else None
    except ValueError:
        return None
