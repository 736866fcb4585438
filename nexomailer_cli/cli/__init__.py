"""What the user sees. The only room that imports typer and rich."""
