"""Flow matching: the probability path, timestep densities and ODE samplers. Imports only torch."""
