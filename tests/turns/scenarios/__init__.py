"""The scenarios of the engine's public validation suite, in our own words; SCENARIOS.md lists them."""
