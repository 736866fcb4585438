"""What a run is told in advance: TOML, URLs and secrets become validated settings."""
