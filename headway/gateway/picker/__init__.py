"""The endpoint picker: the gateway's choice of an endpoint, for a data plane that is not ours (Envoy's ext_proc)."""
