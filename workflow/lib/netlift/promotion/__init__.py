"""The promotion of a focal item: assignment, exposure mapping, design."""
