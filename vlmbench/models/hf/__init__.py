"""Hugging Face models in this process: questions prepared ahead, grouped by picture, answered in trees.

model        the model as the engine asks it; any_layout for a LLaVA in another layout than Hugging Face's
prefetch     render (text), pictures, units and trees, made ready in a thread of its own
batching     windows, units, and batches by a budget of tokens
prefix_tree  prompts of a unit in one tree of tokens; grouped answers trees, generate the plain way
"""
