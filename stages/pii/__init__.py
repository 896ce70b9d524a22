"""pii_v1: masks addresses and telephone numbers."""
