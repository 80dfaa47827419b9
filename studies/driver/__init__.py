"""What runs where a study is started: command line, rounds of trials, progress, the end."""
