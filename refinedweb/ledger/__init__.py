"""The ledger of a run: its description, records, claims, sums, and where everything lies."""
