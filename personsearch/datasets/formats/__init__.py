"""The formats that sets come in: files in, scenes and an account of every row out. One file per format."""
