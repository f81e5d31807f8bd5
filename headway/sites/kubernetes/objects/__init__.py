"""What Headway derives on a cluster: pure functions from a spec and the cluster's Facts to manifests."""
