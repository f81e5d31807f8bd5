"""What one install puts on a cluster, as pure values: kinds, operator, gateway, rights, network."""
