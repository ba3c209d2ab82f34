"""The errors of Meteora DAMM v2 (program cp-amm): Anchor numbers them from 6000 in this order."""

from activities.venues.errors import SwapRefused

_NAMES = (
    "MathOverflow",
    "InvalidFee",
    "ExceededSlippage",
    "PoolDisabled",
    "ExceedMaxFeeBps",
    "InvalidAdmin",
    "AmountIsZero",
    "TypeCastFailed",
    "UnableToModifyActivationPoint",
    "InvalidAuthorityToCreateThePool",
    "InvalidActivationType",
    "InvalidActivationPoint",
    "InvalidQuoteMint",
    "InvalidFeeCurve",
    "InvalidPriceRange",
    "PriceRangeViolation",
    "InvalidParameters",
    "InvalidCollectFeeMode",
    "InvalidInput",
    "CannotCreateTokenBadgeOnSupportedMint",
    "InvalidTokenBadge",
    "InvalidMinimumLiquidity",
    "InvalidVestingInfo",
    "InsufficientLiquidity",
    "InvalidVestingAccount",
    "InvalidPoolStatus",
    "UnsupportNativeMintToken2022",
    "InvalidRewardIndex",
    "InvalidRewardDuration",
    "RewardInitialized",
    "RewardUninitialized",
    "InvalidRewardVault",
    "MustWithdrawnIneligibleReward",
    "IdenticalRewardDuration",
    "RewardCampaignInProgress",
    "IdenticalFunder",
    "InvalidFunder",
    "RewardNotEnded",
    "FeeInverseIsIncorrect",
    "PositionIsNotEmpty",
    "InvalidPoolCreatorAuthority",
    "InvalidConfigType",
    "InvalidPoolCreator",
    "RewardVaultFrozenSkipRequired",
    "InvalidSplitPositionParameters",
    "UnsupportPositionHasVestingLock",
    "SamePosition",
    "InvalidBaseFeeMode",
    "InvalidFeeRateLimiter",
    "FailToValidateSingleSwapInstruction",
    "InvalidFeeTimeScheduler",
    "UndeterminedError",
    "InvalidPoolVersion",
)

ERROR_NAMES = {6000 + index: name for index, name in enumerate(_NAMES)}
_CODES = {name: code for code, name in ERROR_NAMES.items()}


def refused(name: str) -> SwapRefused:
    """The program's own refusal of that name; raises KeyError for a name that it does not have."""
    return SwapRefused(name, _CODES[name])
