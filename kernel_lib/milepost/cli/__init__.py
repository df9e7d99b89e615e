"""The command line `milepost`: one file a command, each over a bare store folder. Imports no IPython."""
