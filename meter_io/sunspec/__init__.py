"""SunSpec: devices that describe their own register layout as a chain of numbered models."""
