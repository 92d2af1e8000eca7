"""The command line: options become one call, answers become output and an exit code. Nothing else prints or exits.

Modules here import only click; everything else is imported inside the commands, so that `--help` is instant.
"""
