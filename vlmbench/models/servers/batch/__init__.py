"""Many requests as jobs of a server, which outlive the process that makes them.

jobs                         making jobs, asking how far they are, reading their results
interface                    what a batch interface is
openai, anthropic, gemini    the three
client                       uploads, downloads, replies of a bounded size
"""
