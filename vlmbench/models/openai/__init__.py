"""Models behind an OpenAI-compatible server.

model    the model as the engine asks it
wire     request to body, completion to answer
client   one server, with retries; retry holds waits and pace, refusal what a server's errors mean
stream   many requests at once
"""
