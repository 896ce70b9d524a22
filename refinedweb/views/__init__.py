"""What reads a run: tables, pairs, histories, explanations, checks and exports."""
