"""What is broadcast about a trip."""


def changes_of(slug: str) -> str:
    """Return the topic of what people change on a list."""
    return f"trip:{slug}"


def lookers_of(slug: str) -> str:
    """Return the topic of who is looking at a list."""
    return f"looking:{slug}"
