"""What models cost on hardware: pure arithmetic over facts that others read."""
