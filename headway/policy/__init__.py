"""Every decision, pure: `decide(observation, now) -> Decision`. No I/O, no clock, no randomness that is not passed in."""
