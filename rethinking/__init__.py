"""The library. A room imports only what the layout in README.md lists below it."""
