"""The only package that knows Snakemake and the configuration."""
