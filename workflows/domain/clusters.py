"""The clusters that the engine may trade on: what tells them apart, and what follows from the choice."""

from dataclasses import dataclass
from enum import StrEnum


class ClusterName(StrEnum):
    """The profiles; localnet stands for every cluster that is not public."""

    LOCALNET = "localnet"
    DEVNET = "devnet"
    MAINNET = "mainnet"


@dataclass(frozen=True, slots=True)
class Cluster:
    """One profile.

    `genesis` is the hash of the cluster's first block, None where every cluster but the public ones will do;
    `explorer` the query of a page of explorer.solana.com, None where the explorer cannot look.
    """

    name: ClusterName
    genesis: str | None
    explorer: str | None

    @property
    def is_local(self) -> bool:
        """Whether the conveniences for a cluster of one's own apply: a default node and a directory of keys."""
        return self.genesis is None

    def refusal(self, genesis: str) -> str | None:
        """Why a node with this genesis hash must not be used under this profile, None when it may."""
        if genesis == self.genesis or (self.is_local and genesis not in _PUBLIC):
            return None
        return f"the node is on {_PUBLIC.get(genesis, 'an unknown cluster')} (genesis {genesis}), not on {self.name}"

    def explorer_url(self, signature: str) -> str | None:
        """The page of a transaction, None where there is none."""
        return None if self.explorer is None else f"https://explorer.solana.com/tx/{signature}{self.explorer}"


# What `getGenesisHash` answers on the public clusters.
_DEVNET = "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG"
_TESTNET = "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY"
_MAINNET = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"

_PUBLIC = {_DEVNET: "devnet", _TESTNET: "testnet", _MAINNET: "mainnet"}

CLUSTERS: dict[ClusterName, Cluster] = {
    ClusterName.LOCALNET: Cluster(ClusterName.LOCALNET, genesis=None, explorer=None),
    ClusterName.DEVNET: Cluster(ClusterName.DEVNET, genesis=_DEVNET, explorer="?cluster=devnet"),
    ClusterName.MAINNET: Cluster(ClusterName.MAINNET, genesis=_MAINNET, explorer=""),
}


def mainnet_refusal(cluster: ClusterName | None, allowed: bool) -> str | None:
    """Why a process with this profile must not start, None when it may: real money needs a word of its own."""
    if cluster is ClusterName.MAINNET and not allowed:
        return "set it to yes to trade with real money; nothing runs on mainnet otherwise"
    return None
