"""Several devices and machines: one model replica each, fed from one queue of whole groups, through Ray.

model         all of it as one model, which the engine asks as any other
ray_cluster   what the flags ask for; Ray, started or joined
placement     one replica's slot on a device, and the calls to it
workers       all replicas: started, replaced, joined
worker        inside a worker process
queue         the groups that wait, and what all workers counted
"""
