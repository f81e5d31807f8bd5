"""From what a team wrote by hand for an engine on Kubernetes to the Model that says the same."""
