"""The formats that sets come in, one file each: they read files into scenes and account for every row."""
