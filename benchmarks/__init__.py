"""Speed and size, as ratios against a peer in one run, interleaved. Each module is a program; see README.md."""
