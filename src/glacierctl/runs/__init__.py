"""The ledger of a run: what was planned, what became of it."""
