"""What a machine is and how fit it is to measure: facts, clocks, noise, and the score that follows from them."""
