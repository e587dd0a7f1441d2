"""Models behind a server.

model                        the model as the engine asks it, many requests at once
client                       one server, with retries
concurrency, stream          how many requests at a time, and their results as they come
pace, rate_headers           when the next one may start, by what the server states about its limits
wire                         what an interface is; pictures, and what a server's errors mean
openai, responses,           the interfaces: request to body, reply to answer
anthropic, gemini
jobs                         many requests as batch jobs, which outlive the process that makes them
batch_interface              what a batch interface is; openai_batch, anthropic_batch, gemini_batch: the three
batch_client                 uploads, downloads, replies of a bounded size
"""
