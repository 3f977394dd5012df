"""Networks: linear attention, the diffusion transformer, its experts, and the autoencoder. Imports only torch."""
