"""A Site that is a Kubernetes cluster: what it has, the objects that serve a Model there, and their state."""
