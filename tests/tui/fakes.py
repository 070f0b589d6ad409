"""A stand-in for the engine: rich, realistic, deterministic, and hostile where the world is."""
