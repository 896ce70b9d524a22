"""Everything that reads a run: tables, duplicate pairs, histories, explanations, checks and exports."""
