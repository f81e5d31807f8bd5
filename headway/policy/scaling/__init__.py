"""How many Replicas a Model shall have. Pure: what is seen and the time are passed in, what is remembered too."""
