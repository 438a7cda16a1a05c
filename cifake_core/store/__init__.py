"""The one layer that meets the disk: where things lie, how they are written whole, how damage is found."""
