"""How to fetch, launch, probe and read each inference engine, behind one Protocol: `Engine`."""
