"""Pool accounts from readable parameters: one builder per kind.

A builder answers every account that the pool's program would own, its vaults and the venue's shared
accounts included, at the addresses that the program derives.
"""
