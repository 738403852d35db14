"""Effects of one experiment, one module per table, and the statements that follow."""
