"""What a file means on a cluster, as YAML for people and for other systems: the forms and the cluster-level pieces."""
