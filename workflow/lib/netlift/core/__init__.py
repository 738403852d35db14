"""What every stage uses: errors, random streams, tables, arrays, units, outcomes, formatting."""
