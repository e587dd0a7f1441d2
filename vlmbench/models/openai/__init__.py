"""Models behind an OpenAI-compatible server.

model    the model as the engine asks it, many requests at once
client   one server, with retries and a rate limit
wire     request to body, completion to answer, and what a server's errors mean
"""
