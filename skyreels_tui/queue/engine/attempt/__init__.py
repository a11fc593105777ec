"""One attempt at a job: from the claimed row to how it ended."""
