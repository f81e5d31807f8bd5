"""Every decision, pure: `decide(observation, now) -> Decision`. No I/O, no clock, no randomness but what is passed."""
