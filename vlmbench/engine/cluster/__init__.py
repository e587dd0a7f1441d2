"""Several devices and machines: one model replica each, fed from one queue of whole groups, through Ray.

model         all of it as one model, which the engine asks as any other
devices       what the flags ask for
ray_cluster   Ray, started or joined
placement     one replica's place on a device, and the calls to it
workers       all replicas: started, replaced, joined
worker        inside a worker process
queue         the groups that wait
merge_counts  what all workers counted
"""
