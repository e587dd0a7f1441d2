"""Models answered by vLLM in this process.

model    the model as the engine asks it, and a folder that vLLM can open
engine   vLLM's engine: started, fed, stopped; a decoding in vLLM's words
"""
