"""Files: atomic writes, YAML settings, safetensors, and what ships with the package."""
