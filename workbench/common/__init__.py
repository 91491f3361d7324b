"""Files, progress, geometry and colours, for all packages."""
