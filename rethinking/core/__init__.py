"""What all rooms use: errors, files, parameters, the registry, random streams, arrays."""
