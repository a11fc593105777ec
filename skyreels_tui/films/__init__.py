"""Films as a person works on them: scenes become jobs, files become films; above the queue, drawn by nobody here."""
