"""What one RPC node of the cluster consists of."""

from dataclasses import dataclass

from solders.keypair import Keypair

from deploy.localnet.faults import FaultPlan
from deploy.localnet.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Node:
    """The cluster, the faults between it and its clients, and who pays airdrops."""

    ledger: Ledger
    faults: FaultPlan
    faucet: Keypair
