"""The data sets, one file each: `read(source, downloads)` returns a `RawData`."""
