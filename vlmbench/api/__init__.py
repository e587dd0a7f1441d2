"""What the command line does, as functions of values. `import vlmbench` offers the public ones.

The command line parses, calls these and prints; a notebook or a script calls them and receives nouns.
There is one engine, one run folder and one text for each error behind both.
"""
