"""What the machine allows: room on disk, memory, heat."""
