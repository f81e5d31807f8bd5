"""KEDA's external scaler: what `policy.scaling` would have, told to whoever scales."""
