"""What measuring, publishing and detecting cost, beside asv as it is without this project."""
