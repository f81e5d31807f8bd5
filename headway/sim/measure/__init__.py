"""What is counted while the fleet runs, in bounded memory."""
