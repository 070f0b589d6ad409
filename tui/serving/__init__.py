"""The console in a browser. Nothing here is imported but by `tocsin serve` and by the consoles it starts."""
