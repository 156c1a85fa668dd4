"""What every room stands on: errors, files, parameters, the registry, random streams, arrays."""
