"""Hugging Face models in this process: questions prepared ahead, grouped by picture, answered in trees.

loading    model_files: hub, folder, processor, loading; any_layout for a LLaVA in any other layout
ahead      render (text), pictures (pixels), grouping (what belongs together), shared_prefix (a tree
           a group), jobs (all of that, in a thread of its own: prefetch)
device     batching (a budget of tokens), grouped (trees), generate (the plain way)
"""
