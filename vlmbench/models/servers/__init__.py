"""Models behind a server.

model                        the model as the engine asks it, many requests at once
client                       one server, with retries
concurrency, stream          how many requests at a time, and their results as they come
pace, rate_headers           when the next one may start, by what the server states about its limits
wire                         what an interface is; pictures, and what a server's errors mean
openai, responses,           the interfaces: request to body, reply to answer
anthropic, gemini
batch                        many requests as jobs, answered later and for less
"""
