"""Films: all of them with a contact sheet, and one with its scenes and takes."""
