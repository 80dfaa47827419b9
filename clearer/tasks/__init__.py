"""What is restored: a task a file, and nothing outside of them names one. `clearer.tasks.known` has them all."""
