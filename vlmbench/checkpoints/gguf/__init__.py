"""LLaVA as llama.cpp and Ollama read it."""
