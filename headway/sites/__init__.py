"""Places where Replicas run, behind one Protocol: `Site`. Nothing above asks which one it is."""
