"""The routing benchmark in virtual time: seconds instead of minutes, and the same result each time."""
