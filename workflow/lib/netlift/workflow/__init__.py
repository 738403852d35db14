"""What knows Snakemake and the configuration."""
