"""The papers whose experiments are repeated."""

from typing import Final

TRANSAX: Final = "The Role of Blockchains in Multi-Stakeholder Transactive Energy Systems"
POSO: Final = (
    "A blockchain consensus mechanism that uses Proof of Solution to optimize energy dispatch and trading"
)
AUCTION_DPOS: Final = (
    "An Exploration of the Optimization of Distributed Power Transaction Models Based on Blockchain"
    " (FAIA241134)"
)
