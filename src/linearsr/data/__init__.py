"""Training data: photos from tar shards, synthetic degradation, LR/HR pair pools."""
