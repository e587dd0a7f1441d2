"""Models behind a server.

model                        the model as the engine asks it, many requests at once
client                       one server, with retries and a rate limit
wire                         what an interface is; pictures, and what a server's errors mean
openai, responses,           the interfaces: request to body, reply to answer
anthropic, gemini
"""
