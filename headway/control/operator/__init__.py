"""The operator: what the objects of a cluster ask for -> what runs there. Level-triggered; any step may be killed."""
