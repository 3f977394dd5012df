"""Ablations: one thing changed at a time, everything else equal, measured on the same pairs."""
