"""Pure torch networks: generators, discriminators, identity networks."""
