"""The gateway in a cluster: what the API server says -> the RoutingTable of a gateway on the same machine."""
