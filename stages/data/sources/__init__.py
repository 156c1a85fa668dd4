"""Data sets, one file each: `read(source, downloads)` brings a data set to the arrays of a `RawData`."""
