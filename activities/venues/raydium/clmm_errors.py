"""Refusals of Raydium CLMM by name.

Numbers are those of the program build that the execution vectors ran (2025-03, published IDL). Source of 2026
dropped some names from the list, which moves the later numbers down: where a log line names the error, the
name decides.
"""

from activities.venues.errors import SwapRefused

_OWN = (
    "LOK",
    "NotApproved",
    "InvalidUpdateConfigFlag",
    "AccountLack",
    "ClosePositionErr",
    "ZeroMintAmount",
    "InvalidTickIndex",
    "TickInvalidOrder",
    "TickLowerOverflow",
    "TickUpperOverflow",
    "TickAndSpacingNotMatch",
    "InvalidTickArray",
    "InvalidTickArrayBoundary",
    "SqrtPriceLimitOverflow",
    "SqrtPriceX64",
    "LiquiditySubValueErr",
    "LiquidityAddValueErr",
    "InvalidLiquidity",
    "ForbidBothZeroForSupplyLiquidity",
    "LiquidityInsufficient",
    "TransactionTooOld",
    "PriceSlippageCheck",
    "TooLittleOutputReceived",
    "TooMuchInputPaid",
    "ZeroAmountSpecified",
    "InvalidInputPoolVault",
    "TooSmallInputOrOutputAmount",
    "NotEnoughTickArrayAccount",
    "InvalidFirstTickArrayAccount",
    "InvalidRewardIndex",
    "FullRewardInfo",
    "RewardTokenAlreadyInUse",
    "ExceptRewardMint",
    "InvalidRewardInitParam",
    "InvalidRewardDesiredAmount",
    "InvalidRewardInputAccountNumber",
    "InvalidRewardPeriod",
    "NotApproveUpdateRewardEmissions",
    "UnInitializedRewardInfo",
    "NotSupportMint",
    "MissingTickArrayBitmapExtensionAccount",
    "InsufficientLiquidityForDirection",
    "MaxTokenOverflow",
    "CalculateOverflow",
    "TransferFeeCalculateNotMatch",
)
# Codes that Anchor's own assertions return, and the token program's for a balance that does not suffice.
_SHARED = {
    1: "InsufficientFunds",
    2501: "RequireEqViolated",
    2505: "RequireGtViolated",
    2506: "RequireGteViolated",
}

ERROR_NAMES = {**_SHARED, **dict(enumerate(_OWN, start=6000))}
_CODES = {name: code for code, name in ERROR_NAMES.items()}


def refused(name: str) -> SwapRefused:
    """The refusal called `name`; one that no number belongs to stands for a panic."""
    return SwapRefused(name, _CODES.get(name))
