"""Models answered by vLLM in this process.

model      the model as the engine asks it
engine     vLLM's engine: started, fed, stopped
folder     a folder that vLLM can open, for every layout
sampling   a decoding in vLLM's words
"""
