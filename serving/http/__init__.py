"""The HTTP server: what it speaks, how much it takes on, and the process that does the work. No torch."""
