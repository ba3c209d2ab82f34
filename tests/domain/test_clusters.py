"""Which node may be used under which profile."""

import pytest

from workflows.domain.clusters import CLUSTERS, ClusterName, mainnet_refusal

DEVNET = "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG"
TESTNET = "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY"
MAINNET = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"
OWN = "9zXnVbHwS8gYdcyWd6pgzB5pKZMsYZZGVE3TW8Z2qEKb"

ALLOWED = {
    (ClusterName.LOCALNET, OWN),
    (ClusterName.DEVNET, DEVNET),
    (ClusterName.MAINNET, MAINNET),
}


@pytest.mark.parametrize("cluster", ClusterName)
@pytest.mark.parametrize("genesis", [DEVNET, TESTNET, MAINNET, OWN, ""])
def test_a_profile_takes_the_nodes_of_its_own_cluster_only(cluster: ClusterName, genesis: str) -> None:
    refused = CLUSTERS[cluster].refusal(genesis)
    if (cluster, genesis) in ALLOWED or (cluster, genesis) == (ClusterName.LOCALNET, ""):
        assert refused is None
    else:
        assert refused is not None
        assert genesis in refused
        assert refused.endswith(f"not on {cluster}")


def test_a_refusal_names_the_cluster_of_the_node() -> None:
    assert "is on mainnet (" in str(CLUSTERS[ClusterName.LOCALNET].refusal(MAINNET))
    assert "is on testnet (" in str(CLUSTERS[ClusterName.DEVNET].refusal(TESTNET))
    assert "is on an unknown cluster (" in str(CLUSTERS[ClusterName.MAINNET].refusal(OWN))


def test_the_explorer_shows_what_is_public() -> None:
    pages = {name: cluster.explorer_url("5wHu") for name, cluster in CLUSTERS.items()}
    assert pages == {
        ClusterName.LOCALNET: None,
        ClusterName.DEVNET: "https://explorer.solana.com/tx/5wHu?cluster=devnet",
        ClusterName.MAINNET: "https://explorer.solana.com/tx/5wHu",
    }


@pytest.mark.parametrize("cluster", ClusterName)
@pytest.mark.parametrize("allowed", [True, False])
def test_only_mainnet_needs_a_word_of_its_own(cluster: ClusterName, allowed: bool) -> None:
    assert (mainnet_refusal(cluster, allowed) is None) == (allowed or cluster is not ClusterName.MAINNET)
