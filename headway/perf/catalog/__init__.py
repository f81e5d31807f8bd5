"""What accelerators can do and what they cost, and the shapes of models: facts with their sources."""
