"""The command line: parses what was typed, asks the layers below, prints what they say.

`app` has the table of commands and the exit codes of everything that can go wrong; each noun has a
module, imported when it is used; `output` is the one module that prints.
"""
