"""Files: atomic writes, locks, YAML settings, safetensors, and the files shipped with the package."""
