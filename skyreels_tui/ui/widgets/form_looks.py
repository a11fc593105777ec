"""How the screens that ask in fields look alike: a title, the fields, and a line about the one that is typed into."""

FORM_LOOKS = """
#form-title { height: 1; padding: 0 1; background: $panel; text-wrap: nowrap; text-overflow: ellipsis; }
#form-fields { width: 1fr; height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
#form-help { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
"""
"""For a screen's `DEFAULT_CSS`: Textual keeps it to that screen."""
