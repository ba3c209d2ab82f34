"""Checks the venues against recorded runs of the real programs (`order-engine verify-vectors`)."""
