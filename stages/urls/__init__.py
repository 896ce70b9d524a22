"""URLs: one normal form, block-list indexes and word tiers."""
