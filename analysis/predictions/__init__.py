"""What is known without training: counts and times of a whole space, and where α goes by itself."""
