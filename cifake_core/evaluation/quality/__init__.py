"""How good a generator is: seen by a classifier of reals, in distances to held-out reals, for copies, and by a detector."""
