"""Does a detector see fakes of generators it has never met? Matrix, scaling, leave-one-out, codec, recipe (Park and Owens 2025)."""
