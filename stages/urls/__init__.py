"""URLs: their normal form, block lists and word tiers."""
