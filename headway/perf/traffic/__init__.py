"""From a Workload to the requests it stands for: a pure, seeded function that `bench`, `plan` and `simulate` share."""
