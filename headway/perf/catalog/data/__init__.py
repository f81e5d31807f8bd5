"""Facts of accelerators and models, each row with its source."""
