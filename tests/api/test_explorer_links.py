"""Where an order's transaction can be looked at."""

import pytest

from api.present import WebUi
from workflows.domain.clusters import ClusterName


@pytest.mark.parametrize(
    ("cluster", "signature", "page"),
    [
        (ClusterName.MAINNET, "5wHu", "https://explorer.solana.com/tx/5wHu"),
        (ClusterName.DEVNET, "5wHu", "https://explorer.solana.com/tx/5wHu?cluster=devnet"),
        (ClusterName.LOCALNET, "5wHu", None),
        (ClusterName.MAINNET, None, None),
    ],
)
def test_a_public_cluster_has_a_page_for_a_transaction(
    cluster: ClusterName, signature: str | None, page: str | None
) -> None:
    assert WebUi("http://127.0.0.1:8233", "default", cluster).transaction(signature) == page
